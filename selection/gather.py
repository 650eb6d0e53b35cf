"""Gathering all the evidence on one task's candidates, in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from agent import Candidate, Run, Script
from environments import Task
from models import Model
from sandbox import Sandbox

from .applying import Changed, check_applies, same_change
from .evidence import UNFIXED, Evidence, Existing, MachineChoice, Regression, Test
from .machine import judge_once, select
from .matrix import Cells, run_matrix
from .names import id_order
from .regression import run_regressions
from .settings import SelectionSettings
from .strategies import top_shortlist
from .votes import counting, passes

Progress = Callable[[str, int, int], None]
"""Told (stage, done, of how many): "matrix", "existing tests", "selection machine"."""


async def gather_evidence(
    model: Model,
    base: Sandbox,
    task: Task,
    candidates: Sequence[Candidate],
    settings: SelectionSettings,
    progress: Progress | None = None,
    slots: asyncio.Semaphore | None = None,
) -> Evidence:
    """What applies, the test matrix, existing tests, and the selection machine's word on the best.

    base: a sandbox of the task's world with the original code, which is only ever copied. slots: executions at once,
    shared with other tasks; None: the settings' number for this task alone. Raises ValueError where two candidates
    have one id or one is called "unfixed", the world's errors and the user's.
    """
    _check_names(candidates)
    tell = progress or (lambda stage, done, of: None)
    slots = slots or asyncio.Semaphore(settings.parallel or os.cpu_count() or 1)
    changed = await asyncio.to_thread(check_applies, task, candidates)
    tests = generated_tests(candidates)
    evidence = Evidence(
        candidates=tuple(candidates),
        tests=tests,
        applies={name: files is not None for name, files in changed.items()},
    )
    evidence = replace(
        evidence,
        cells=await _matrix(base, task, evidence, changed, settings, tell, slots),
    )
    regressions, existing = await _regressions(base, task, evidence, changed, settings, tell, slots)
    evidence = replace(evidence, regressions=regressions, existing=existing)
    machine = await _machine(model, base, task, evidence, changed, settings, tell, slots)
    return replace(evidence, machine=machine)


def generated_tests(candidates: Sequence[Candidate]) -> tuple[Test, ...]:
    """Every distinct script once, under the name of the attempt that has the lowest id ("test-2" of attempt-2)."""
    short = all(candidate.id.startswith("attempt-") for candidate in candidates)
    tests: dict[Script, Test] = {}
    for candidate in sorted(candidates, key=lambda candidate: id_order(candidate.id)):
        if candidate.test is not None and candidate.test not in tests:
            name = candidate.id.removeprefix("attempt-") if short else candidate.id
            tests[candidate.test] = Test(f"test-{name}", candidate.test)
    return tuple(tests.values())


def example_of(evidence: Evidence, shortlist: Sequence[str]) -> Test | None:
    """The test that the machine is shown: of those that count, the one that most of the shortlist pass, then by id."""
    tests, _ = counting(evidence)

    def place(test: Test) -> tuple[object, ...]:
        return -sum(passes(evidence.cells.get((name, test.id))) for name in shortlist), id_order(test.id)

    return min(tests, key=place, default=None)


async def _matrix(
    base: Sandbox,
    task: Task,
    evidence: Evidence,
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    tell: Progress,
    slots: asyncio.Semaphore,
) -> Cells:
    of = (len(same_change(changed)) + 1) * len(evidence.tests)
    ended = count()

    def done(candidate: str, test: str, run: Run) -> None:
        tell("matrix", next(ended) + 1, of)

    return await run_matrix(
        base,
        task,
        evidence.candidates,
        evidence.tests,
        changed,
        timeout=settings.script_timeout,
        slots=slots,
        done=done,
        isolation=settings.isolation,
    )


async def _regressions(
    base: Sandbox,
    task: Task,
    evidence: Evidence,
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    tell: Progress,
    slots: asyncio.Semaphore,
) -> tuple[Mapping[str, Regression], Existing | None]:
    groups = same_change(changed)
    if not settings.regressions:
        off = Regression(error="they were not run, by the settings")
        return {name: off for group in groups for name in group}, None
    ended = count()
    return await run_regressions(
        base,
        task,
        evidence.candidates,
        changed,
        timeout=settings.regression_timeout,
        slots=slots,
        done=lambda name: tell("existing tests", next(ended) + 1, len(groups) + 2),
    )


async def _machine(
    model: Model,
    base: Sandbox,
    task: Task,
    evidence: Evidence,
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    tell: Progress,
    slots: asyncio.Semaphore,
) -> MachineChoice | None:
    """The machine's word on the most voted, None where no machine is wanted."""
    if settings.machine == "off" or settings.strategy == "most-votes":
        return None
    ids = top_shortlist(evidence, settings.keep)
    by_id = {candidate.id: candidate for candidate in evidence.candidates}
    shortlist = [by_id[name] for name in ids]
    tell("selection machine", 0, 1)
    if settings.machine == "once":
        choice = await judge_once(model, task, shortlist, changed, settings)
    else:
        example = example_of(evidence, ids)
        choice = await select(model, base, task, shortlist, changed, example, settings, slots)
    tell("selection machine", 1, 1)
    return choice


def _check_names(candidates: Sequence[Candidate]) -> None:
    names = [candidate.id for candidate in candidates]
    if UNFIXED in names:
        raise ValueError(
            f"a candidate is called {UNFIXED!r}, which is the name of the original code; rename it"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two candidates are called {twice!r}; every candidate needs an id of its own")
