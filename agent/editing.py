"""The editing machine: the model edits the code and sees the test before and after, until it is content.

Each reply is exactly one of three: an edit (always of the original code), a new test, or the word that it is
done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from environments import Task
from models import Message, Model, ReplyForm
from sandbox import Sandbox

from .blocks import ReplyError, read_blocks
from .candidate import Ending, Run, Script
from .context import Context
from .conversation import Conversation
from .edits import EDIT_BLOCKS, Edit, parse_edits
from .endings import KilledSandbox, Stopped, ending_of
from .grammar import reply_form
from .normalising import cut_middle
from .patching import patch_of
from .render import fenced, render, shown_file, shown_issue
from .scripts import parse_script, run_script
from .settings import AttemptSettings
from .showing import shown_run
from .testing import Tested, normaliser

AT = "editing"


@dataclass(frozen=True, slots=True)
class Done:
    """The model keeps edit and test as they are."""


@dataclass(slots=True)
class State:
    """What the machine holds: the last applied edit as texts and diff, the last test, its two runs."""

    test: Script | None = None
    before: Run | None = None
    after: Run | None = None
    changed: Mapping[str, str | None] = field(default_factory=dict)
    patch: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """What the editing machine leaves, however it ended: its last applied edit as a patch, its last test."""

    patch: str
    test: Script | None
    test_before: Run | None
    ending: Ending
    detail: str
    calls: int
    messages: tuple[Message, ...]


async def write_edit(
    model: Model, base: Sandbox, task: Task, context: Context, settings: AttemptSettings, tested: Tested
) -> Edited:
    """Solve the task by edits that the attempt's own test is run on (CodeMonkeys, editing machine).

    Never raises for what is the attempt's doing; raises the world's errors and the user's.
    """
    state = State(test=tested.script, before=tested.run)
    talk = Conversation(model, AT, settings, settings.editing_calls, opening(task, context, settings))
    talk.tell(
        render(
            "editing_begin",
            test=_shown_test(state.test),
            before=_shown(state.before, settings),
            left=talk.left,
        )
    )
    first, again = _forms(await asyncio.to_thread(task.snapshot.files))
    ending, detail = Ending.FINISHED, ""
    try:
        while True:
            reply = await talk.ask(again if state.patch else first)
            try:
                step = _read(reply, may_finish=bool(state.patch))
                if isinstance(step, Done):
                    break
                if isinstance(step, Script):
                    await _new_test(state, step, base, task, settings, talk.calls)
                else:
                    await _new_edit(state, step, base, task, settings, talk.calls)
            except ReplyError as error:
                talk.mend(str(error))
                continue
            talk.usable += 1
            talk.tell(_outcome(state, isinstance(step, Script), settings, talk.left))
    except (Stopped, KilledSandbox) as stop:
        ending = ending_of(stop) or Ending.FINISHED
        detail = str(stop)
        if ending is Ending.STEP_LIMIT and not talk.usable and talk.calls:
            ending = Ending.MALFORMED
    return Edited(state.patch, state.test, state.before, ending, detail, talk.calls, tuple(talk.messages))


def opening(task: Task, context: Context, settings: AttemptSettings) -> Message:
    """The system prompt: how to reply, the issue, the files. Byte for byte the same for all attempts."""
    text = render(
        "editing_system",
        issue=shown_issue(task.issue, settings.issue_chars),
        languages=task.recipe.languages,
        files=[(file.path, shown_file(file.text)) for file in context.files],
    )
    return Message("system", text, cache=True)


def _forms(paths: Iterable[str]) -> tuple[ReplyForm, ReplyForm]:
    """The replies that can be read, before and after an edit was applied: only then it can be done."""
    known = sorted(paths)
    arguments = {"EDIT": known, "DELETE": known}
    before = reply_form(EDIT_BLOCKS, "TEST", arguments=arguments)
    return before, reply_form(EDIT_BLOCKS, "TEST", "DONE", arguments=arguments)


def _read(reply: str, may_finish: bool) -> Done | Script | list[Edit]:
    """The one thing that a reply does. Raises ReplyError where it does none or several."""
    blocks = read_blocks(reply, only=(*EDIT_BLOCKS, "TEST", "DONE"))
    names = [block.name for block in blocks]
    edits = [block for block in blocks if block.name in EDIT_BLOCKS]
    if bool(edits) + names.count("TEST") + ("DONE" in names) > 1:
        raise ReplyError(
            f"The reply has the blocks {', '.join(names)}: write exactly one of an edit, a test, or DONE."
        )
    if edits:
        return parse_edits(edits)
    if names == ["TEST"]:
        return parse_script(blocks[0])
    if not may_finish:
        raise ReplyError("No edit has been applied yet, so this cannot be DONE: write an edit.")
    return Done()


async def _new_edit(
    state: State, edits: list[Edit], base: Sandbox, task: Task, settings: AttemptSettings, call: int
) -> None:
    state.patch, applied = await asyncio.to_thread(patch_of, task, edits)
    state.changed, state.notes = applied.changed, applied.notes
    await _run_after(state, base, task, settings, call)


async def _new_test(
    state: State, test: Script, base: Sandbox, task: Task, settings: AttemptSettings, call: int
) -> None:
    before = await run_script(
        base, f"{AT}-{call}-original", test, {}, timeout=settings.script_timeout, normalise=normaliser(task)
    )
    state.test, state.before, state.notes = test, before, ()
    await _run_after(state, base, task, settings, call)


async def _run_after(state: State, base: Sandbox, task: Task, settings: AttemptSettings, call: int) -> None:
    state.after = None
    if state.test is None or not state.changed:
        return
    state.after = await run_script(
        base,
        f"{AT}-{call}-edited",
        state.test,
        state.changed,
        timeout=settings.script_timeout,
        normalise=normaliser(task),
        executable=_executable(task.snapshot.tree, state.changed),
    )


def _executable(tree: Path, changed: Mapping[str, str | None]) -> frozenset[str]:
    return frozenset(
        path for path in changed if (tree / path).is_file() and (tree / path).stat().st_mode & 0o111
    )


def _outcome(state: State, new_test: bool, settings: AttemptSettings, left: int) -> str:
    return render(
        "editing_result",
        new_test=new_test,
        notes=state.notes,
        diff=fenced(cut_middle(state.patch, settings.diff_chars)) if state.patch else "",
        before=_shown(state.before, settings),
        after=_shown(state.after, settings),
        solved=state.after is not None and state.after.shows_solved,
        left=left,
    )


def _shown(run: Run | None, settings: AttemptSettings) -> str:
    return shown_run(run, settings) if run else ""


def _shown_test(test: Script | None) -> str:
    return fenced(test.text) if test else ""
