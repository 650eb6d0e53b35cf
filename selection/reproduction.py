"""Reproduction cases: a model writes files of cases, each gated on the unfixed code, then run on every candidate.

Source: R2E-Gym, testing agent (at least ten cases in one file, each with one of three outcomes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent import (
    Conversation,
    ReplyError,
    Script,
    Stopped,
    parse_script,
    read_blocks,
    reply_form,
    shown_issue,
    together,
    top_level,
)
from environments import Task
from models import Message, Model
from sandbox import Sandbox

from .applying import Changed, same_change
from .evidence import UNFIXED, Cases, Reproduction
from .layers import patched
from .material import original_files, render, shown_run
from .matrix import execute
from .reproduction_cases import LEAST, faults_of, read_cases
from .settings import SelectionSettings

AT = "reproduction"
_FORM = reply_form("TEST")


async def write_reproduction(
    model: Model,
    base: Sandbox,
    task: Task,
    settings: SelectionSettings,
    number: int = 1,
    slots: asyncio.Semaphore | None = None,
    paths: Sequence[str] = (),
) -> tuple[Reproduction | None, str]:
    """(a file of cases with its run on UNFIXED, "") or (None, why there is none).

    A file that has too few cases, or of which fewer than half reproduce the issue on the unfixed code, goes back with
    the reason; where no call is left the best one that was seen is kept, if at least one of its cases reproduces the
    issue. number: of the file; each is another conversation. paths: files that are shown, in their
    original form (those that candidates change: where the issue seems to be). Raises the world's errors and the user's.
    """
    name = f"cases-{number}"
    slots = slots or asyncio.Semaphore(1)
    talk = Conversation(
        model,
        f"{AT}/{name}",
        settings.for_conversation(settings.reproduction_temperature),
        settings.reproduction_calls,
        Message("system", _opening(task, settings, paths), cache=True),
    )
    talk.tell(render("reproduction_begin", least=LEAST))
    best: Reproduction | None = None
    why = "no file of cases could be read"
    try:
        while talk.left:
            reply = await talk.ask(_FORM)
            try:
                script = _read(reply)
            except ReplyError as error:
                talk.mend(str(error))
                continue
            async with slots:
                run = await execute(
                    base, f"{AT}/{name}/{UNFIXED}-{talk.calls}", script, task, settings.script_timeout
                )
            cases = read_cases(run, settings.script_timeout)
            best = _better(best, Reproduction(name, script, {UNFIXED: cases}))
            faults = faults_of(cases)
            if not faults:
                return best, ""
            why = faults[-1]
            talk.tell(
                render(
                    "reproduction_result", result=shown_run(run, settings, {}), faults=faults, left=talk.left
                )
            )
    except Stopped as stop:
        why = str(stop)
    if best is not None and best.runs[UNFIXED].count("reproduced"):
        return best, ""
    return None, why


async def run_reproductions(
    base: Sandbox,
    task: Task,
    reproductions: Sequence[Reproduction],
    changed: Mapping[str, Changed | None],
    *,
    timeout: float,
    slots: asyncio.Semaphore,
    done: Callable[[str, str], None] | None = None,
) -> tuple[Reproduction, ...]:
    """Each file with its cases on every candidate that applies and is not empty; what it has already is not run again.

    Candidates that make the same files are run once. timeout: seconds of one run. done: told (file, candidate).
    """
    groups = same_change(changed)
    missing = {
        (each.id, group[0]): each
        for each in reproductions
        for group in groups
        if not any(name in each.runs for name in group)
    }
    found: dict[tuple[str, str], Cases] = {}

    async def one(each: Reproduction, layer: Sandbox, candidate: str) -> None:
        async with slots:
            run = await execute(layer, each.id, each.script, task, timeout)
        found[each.id, candidate] = read_cases(run, timeout)
        if done:
            done(each.id, candidate)

    async def column(candidate: str, files: Changed) -> None:
        wanted = [each for (_, name), each in missing.items() if name == candidate]
        if not wanted:
            return
        async with slots:
            layer = await patched(base, f"{AT}/on/{candidate}", files, task)
        try:
            await together([one(each, layer, candidate) for each in wanted])
        finally:
            await layer.close()

    await together([column(group[0], changed[group[0]] or {}) for group in groups])
    return tuple(_with(each, groups, found) for each in reproductions)


def _with(
    each: Reproduction, groups: Sequence[Sequence[str]], found: Mapping[tuple[str, str], Cases]
) -> Reproduction:
    runs = dict(each.runs)
    for group in groups:
        known = found.get((each.id, group[0])) or next(
            (each.runs[name] for name in group if name in each.runs), None
        )
        if known is not None:
            runs.update(dict.fromkeys(group, known))
    return replace(each, runs=runs)


def _opening(task: Task, settings: SelectionSettings, paths: Sequence[str]) -> str:
    return render(
        "reproduction_system",
        issue=shown_issue(task.issue, settings.issue_chars),
        languages=task.recipe.languages,
        top_level=top_level(task.snapshot.files()),
        test_command=task.recipe.test_command,
        files=[(path, text) for path, text, _ in original_files(task, paths, settings.files_chars) if text],
        seconds=f"{settings.script_timeout:g}",
        least=LEAST,
    )


def _read(reply: str) -> Script:
    blocks = read_blocks(reply, only=("TEST",))
    if len(blocks) > 1:
        raise ReplyError(f"There are {len(blocks)} TEST blocks in the reply: write one, with the whole file.")
    return parse_script(blocks[0])


def _better(one: Reproduction | None, other: Reproduction) -> Reproduction:
    """The one with more cases that reproduce the issue; the later one where they have as many."""
    if one is None or other.runs[UNFIXED].count("reproduced") >= one.runs[UNFIXED].count("reproduced"):
        return other
    return one
