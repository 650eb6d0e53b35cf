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
) -> Cells:
    """The run of each test on each candidate that applies and is not empty, and on UNFIXED; keyed, never by arrival.

    Every execution has a copy of its own, made from the candidate's patched layer; isolation (see
    SelectionSettings) may give the tests of one candidate one copy in turn instead, and `Run.reused` says where it
    did. Candidates that make the same files, and tests with the same script, are run once and share the result.
    timeout: seconds of one execution. slots: executions at once. Raises the world's errors; a test that ends its
    sandbox is a run that says so.
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
    found: dict[tuple[str, str], Run] = {}

    async def one(sandbox: Sandbox, column: str, name: str, test: Test) -> None:
        async with slots:
            run = found[column, test.id] = await execute(sandbox, name, test.script, task, timeout, fresh)
        if done:
            done(column, test.id, run)

    async def column(name: str, files: Changed) -> None:
        async with layers:
            async with slots:
                layer = await patched(base, f"matrix/{name}", files, task)
            try:
                if fresh:
                    await together([one(layer, name, test.id, test) for test in firsts])
                else:
                    for test in firsts:  # one at a time has the copy: waiting for it must not hold a slot
                        await one(layer, name, test.id, test)
            finally:
                await layer.close()

    async def unfixed() -> None:
        if fresh:
            await together([one(base, UNFIXED, f"matrix/{UNFIXED}/{test.id}", test) for test in firsts])
        else:
            await column(UNFIXED, {})

    if not tests:
        return {}
    await together([unfixed(), *(column(group[0], changed[group[0]] or {}) for group in groups)])
    cells: dict[tuple[str, str], Run] = {}
    for group in ((UNFIXED,), *groups):
        for test in firsts:
            for name in group:
                for same in scripts[test.script]:
                    cells[name, same] = found[group[0], test.id]
    return cells


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
