"""The testing machine: the model writes a test, sees it run on the unfixed code, approves or rewrites it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from environments import Task
from models import Message, Model
from sandbox import Sandbox

from .blocks import ReplyError, read_blocks, write_block
from .candidate import Ending, Run, Script
from .conversation import Conversation
from .endings import KilledSandbox, Stopped, ending_of
from .grammar import reply_form
from .normalising import normalise
from .render import render, shown_issue
from .scripts import parse_script, run_script
from .settings import AttemptSettings
from .showing import shown_run, top_level

AT = "testing"
_FIRST, _AGAIN = reply_form("TEST"), reply_form("TEST", "DONE")
"""The replies that can be read: only a test that was run can be approved."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What the testing machine leaves: its last test and that test's run on the original code, or None.

    approved: the model said so. ending: how the machine ended. calls: model calls made. messages: the
    conversation.
    """

    script: Script | None
    run: Run | None
    approved: bool
    ending: Ending
    detail: str
    calls: int
    messages: tuple[Message, ...]


async def write_test(
    model: Model,
    base: Sandbox,
    task: Task,
    settings: AttemptSettings,
    first: Script | None = None,
    at: str = AT,
) -> Tested:
    """Write a test of the issue by looking at its runs on the original code (CodeMonkeys, testing machine).

    first: a test to begin with, as if the model had written it. at: the branch of the calls, and of the
    copies. Never raises for what is the attempt's doing; raises the world's errors and the user's.
    """
    talk = Conversation(model, at, settings, settings.testing_calls, *opening(task, settings))
    script, run, approved, doubted = first, None, False, False
    ending, detail = Ending.FINISHED, ""
    try:
        if script is not None:
            talk.answer(write_block("TEST", "", (("", tuple(script.text.split("\n")[:-1])),)))
            run = await _on_original(base, f"{at}-0", script, task, settings)
            talk.tell(_result(run, settings, talk.left))
        while not approved:
            reply = await talk.ask(_AGAIN if run is not None else _FIRST)
            try:
                written = _read(reply, may_approve=run is not None)
            except ReplyError as error:
                talk.mend(str(error))
                continue
            talk.usable += 1
            if written is not None:
                run = await _on_original(base, f"{at}-{talk.calls}", written, task, settings)
                script = written
                talk.tell(_result(run, settings, talk.left))
            elif run is not None and not run.shows_issue and not doubted:
                doubted = True
                talk.tell(render("testing_doubt", run=run, left=talk.left))
            else:
                approved = True
    except (Stopped, KilledSandbox) as stop:
        ending = ending_of(stop) or Ending.FINISHED
        detail = str(stop)
        if ending is Ending.STEP_LIMIT and not talk.usable and talk.calls:
            ending = Ending.MALFORMED
    if run is None:
        script = None
    return Tested(script, run, approved, ending, detail, talk.calls, tuple(talk.messages))


def opening(task: Task, settings: AttemptSettings) -> tuple[Message, Message]:
    """The first two messages, the same for all attempts."""
    system = render(
        "testing_system",
        issue=shown_issue(task.issue, settings.issue_chars),
        languages=task.recipe.languages,
        top_level=top_level(task.snapshot.files()),
        seconds=f"{settings.script_timeout:g}",
    )
    return Message("system", system, cache=True), Message("user", render("testing_begin"))


def normaliser(task: Task) -> Callable[[str], str]:
    """What makes the output of this task's runs the same each time."""
    return lambda output: normalise(output, task.snapshot.at)


def _read(reply: str, may_approve: bool) -> Script | None:
    """The script that a reply writes, None where it approves. Raises ReplyError."""
    blocks = read_blocks(reply, only=("TEST", "DONE"))
    if len(blocks) > 1 and {block.name for block in blocks} != {"DONE"}:
        raise ReplyError(
            f"There are {len(blocks)} blocks in the reply "
            f"({', '.join(block.name for block in blocks)}): write exactly one."
        )
    if blocks[0].name == "TEST":
        return parse_script(blocks[0])
    if not may_approve:
        raise ReplyError("There is no test yet that could be approved: write one in a TEST block.")
    return None


async def _on_original(
    base: Sandbox, name: str, script: Script, task: Task, settings: AttemptSettings
) -> Run:
    return await run_script(
        base, name, script, {}, timeout=settings.script_timeout, normalise=normaliser(task)
    )


def _result(run: Run, settings: AttemptSettings, left: int) -> str:
    return render("testing_result", result=shown_run(run, settings), shows=run.shows_issue, left=left)
