"""The test matrix: every distinct generated test on every distinct candidate and on the unfixed code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from agent import Candidate, KilledSandbox, Run, Script, normaliser, run_script, together
from environments import Task
from sandbox import Sandbox

from .applying import Changed, same_change
from .evidence import UNFIXED, Test
from .layers import patched
from .names import id_order
from .settings import Isolation

Cells = Mapping[tuple[str, str], Run]
Repeats = Mapping[tuple[str, str], tuple[Run, ...]]
Done = Callable[[str, str, Run], None]
"""Told of every execution as it ends: candidate id or UNFIXED, test id, its run. For people: order is arrival."""

KILLED = 137
"""The exit code of a run that ended its sandbox again and again: SIGKILL's, by the shell's rule."""

_OPEN = 8
"""Patched layers open at once at most: each is an idle sandbox."""


async def run_matrix(
    base: Sandbox,
    task: Task,
    candidates: Sequence[Candidate],
    tests: Sequence[Test],
    changed: Mapping[str, Changed | None],
    *,
    timeout: float,
    slots: asyncio.Semaphore,
    done: Done | None = None,
    isolation: Isolation = "auto",
    known: Cells | None = None,
    at: str = "matrix",
) -> Cells:
    """The run of each test on each candidate that applies and is not empty, and on UNFIXED; keyed, never by arrival.

    Every execution has a copy of its own, made from the candidate's patched layer; isolation (see
    SelectionSettings) may give the tests of one candidate one copy in turn instead, and `Run.reused` says where it
    did. Candidates that make the same files, and tests with the same script, are run once and share the result.
    timeout: seconds of one execution. slots: executions at once. known: cells that there are already, which
    are not run again. at: the branch of the copies. Raises the world's errors; a test that ends its sandbox is a run
    that says so.
    """
    ids = {candidate.id for candidate in candidates}
    groups = same_change({name: files for name, files in changed.items() if name in ids})
    scripts: dict[Script, list[str]] = {}
    ordered = sorted(tests, key=lambda test: id_order(test.id))
    for test in ordered:
        scripts.setdefault(test.script, []).append(test.id)
    firsts = [test for test in ordered if scripts[test.script][0] == test.id]
    layers = asyncio.Semaphore(_OPEN)
    fresh = all_fresh(base, isolation)
    columns = ((UNFIXED,), *groups)
    found = {
        (group[0], test.id): run
        for group in columns
        for test in firsts
        if (run := _known(known or {}, group, scripts[test.script])) is not None
    }

    async def one(sandbox: Sandbox, column: str, name: str, test: Test) -> None:
        async with slots:
            run = found[column, test.id] = await execute(sandbox, name, test.script, task, timeout, fresh)
        if done:
            done(column, test.id, run)

    async def column(name: str, files: Changed) -> None:
        missing = [test for test in firsts if (name, test.id) not in found]
        if not missing:
            return
        async with layers:
            async with slots:
                layer = await patched(base, f"{at}/{name}", files, task)
            try:
                if fresh:
                    await together([one(layer, name, test.id, test) for test in missing])
                else:
                    for test in missing:  # one at a time has the copy: waiting for it must not hold a slot
                        await one(layer, name, test.id, test)
            finally:
                await layer.close()

    async def unfixed() -> None:
        if fresh:
            missing = [test for test in firsts if (UNFIXED, test.id) not in found]
            await together([one(base, UNFIXED, f"{at}/{UNFIXED}/{test.id}", test) for test in missing])
        else:
            await column(UNFIXED, {})

    if not tests:
        return {}
    await together([unfixed(), *(column(group[0], changed[group[0]] or {}) for group in groups)])
    cells: dict[tuple[str, str], Run] = {}
    for group in columns:
        for test in firsts:
            for name in group:
                for same in scripts[test.script]:
                    cells[name, same] = found[group[0], test.id]
    return cells


async def repeat_matrix(
    base: Sandbox,
    task: Task,
    candidates: Sequence[Candidate],
    tests: Sequence[Test],
    changed: Mapping[str, Changed | None],
    *,
    times: int,
    timeout: float,
    slots: asyncio.Semaphore,
    done: Done | None = None,
    known: Repeats | None = None,
) -> Repeats:
    """Further runs of every cell, to see whether a test is steady: `times` in all, the matrix itself being the first.

    Each is in a fresh copy, whatever the isolation: what one run leaves must not make the next one differ.
    """
    rounds = []
    for number in range(2, times + 1):
        before = {key: runs[number - 2] for key, runs in (known or {}).items() if len(runs) > number - 2}
        rounds.append(
            await run_matrix(
                base,
                task,
                candidates,
                tests,
                changed,
                timeout=timeout,
                slots=slots,
                done=done,
                isolation="fresh",
                known=before,
                at=f"repeat-{number}",
            )  # fmt: skip
        )
    return {key: tuple(cells[key] for cells in rounds) for key in (rounds[0] if rounds else {})}


def _known(known: Cells, group: Sequence[str], tests: Sequence[str]) -> Run | None:
    """What is known of candidates that are the same, in tests that are the same."""
    return next((known[name, test] for name in group for test in tests if (name, test) in known), None)


def all_fresh(base: Sandbox, isolation: Isolation) -> bool:
    """Whether every execution gets a fresh copy of what `base` is copied to."""
    return isolation == "fresh" or base.cheap_copies


async def execute(
    sandbox: Sandbox, name: str, script: Script, task: Task, timeout: float, fresh: bool = True
) -> Run:
    """One run of a script in a copy of `sandbox` with this name, `fresh` or not. Raises the world's errors."""
    normalise = normaliser(task)
    try:
        return await run_script(sandbox, name, script, {}, timeout=timeout, normalise=normalise, fresh=fresh)
    except KilledSandbox:
        return Run(KILLED, "The script ended its sandbox.", "killed")
