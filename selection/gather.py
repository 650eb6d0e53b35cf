"""Gathering all the evidence on one task's candidates that the settings ask for, in order, and only what is missing."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from agent import Candidate, together
from environments import Groundwork, Task
from models import Model
from sandbox import Sandbox

from .applying import Changed, check_applies, same_change
from .distinguishing import ask_for_tests, tied_leaders
from .effort import Meter
from .evidence import (
    EXISTING,
    GENERATED,
    JUDGE,
    MACHINE,
    MATCHES,
    REPRODUCTION,
    UNFIXED,
    Evidence,
    MachineChoice,
    Regression,
    Test,
)
from .facts import patch_facts
from .judge import judge_candidates
from .known import distinct_tests, still_true
from .machine import judge_once, select
from .matches import play_tournament
from .matrix import repeat_matrix, run_matrix
from .names import id_order
from .regression import run_regressions
from .reproduction import run_reproductions, write_reproduction
from .settings import SelectionSettings
from .strategies import top_shortlist
from .strategies.tournament import play
from .summaries import summarise
from .trajectory import Trajectory, signals_of
from .votes import counting, passes

Progress = Callable[[str, int, int], None]
"""Told (stage, done, of how many): "matrix", "existing tests", "selection machine", and others; of is 0 where nobody
knows how many there will be."""

_OFF = Regression(error="they were not run, by the settings")


async def gather_evidence(
    model: Model,
    base: Sandbox,
    task: Task,
    candidates: Sequence[Candidate],
    settings: SelectionSettings,
    progress: Progress | None = None,
    slots: asyncio.Semaphore | None = None,
    *,
    known: Evidence | None = None,
    trajectories: Mapping[str, Trajectory] | None = None,
    groundwork: Groundwork | None = None,
) -> Evidence:
    """What applies, the test matrix, existing tests, and whatever else the settings ask for.

    base: a sandbox of the task's world with the original code, which is only ever copied. slots: executions at once,
    shared with other tasks; None: the settings' number for this task alone. known: what was gathered before; of it
    everything stays that is about the same patches, and only what is missing is asked for and run. trajectories: how
    the candidates were made, by id, for the judge and the summaries. groundwork: who may know already what the
    repository's own tests say of the unfixed code. Why a kind is missing though it was asked for (a
    spent budget, say) is in `Evidence.gaps`.

    Raises ValueError where two candidates have one id or one is called "unfixed", the world's errors and the user's.
    """
    _check_names(candidates)
    changed = await asyncio.to_thread(check_applies, task, candidates)
    evidence = still_true(known, candidates)
    work = _Work(
        model,
        base,
        task,
        settings,
        changed,
        trajectories or {},
        progress or (lambda stage, done, of: None),
        slots or asyncio.Semaphore(settings.parallel or os.cpu_count() or 1),
        Meter(evidence.effort),
        groundwork,
    )
    for gather in (
        _facts,
        _matrix,
        _existing,
        _reproduction,
        _extra,
        _repeats,
        _machine,
        _judge,
        _tournament,
    ):
        evidence = await gather(work, evidence)
    return replace(evidence, effort=work.meter.spent)


def generated_tests(candidates: Sequence[Candidate]) -> tuple[Test, ...]:
    """Every distinct script once, under the name of the attempt that has the lowest id ("test-2" of attempt-2)."""
    return distinct_tests(candidates)


def example_of(evidence: Evidence, shortlist: Sequence[str]) -> Test | None:
    """The test that the machine is shown: of those that count, the one that most of the shortlist pass, then by id.

    Only of attempts' own: whoever wrote a distinguishing test had seen the patches.
    """
    tests = [test for test in counting(evidence)[0] if test.origin == "attempt"]

    def place(test: Test) -> tuple[object, ...]:
        return -sum(passes(evidence.cells.get((name, test.id))) for name in shortlist), id_order(test.id)

    return min(tests, key=place, default=None)


@dataclass(frozen=True, slots=True)
class _Work:
    """What every kind of gathering works with."""

    model: Model
    base: Sandbox
    task: Task
    settings: SelectionSettings
    changed: Mapping[str, Changed | None]
    trajectories: Mapping[str, Trajectory]
    tell: Progress
    slots: asyncio.Semaphore
    meter: Meter
    groundwork: Groundwork | None

    def asking(self, kind: str) -> Model:
        return self.meter.model(self.model, kind)

    def running(self, kind: str) -> Sandbox:
        return self.meter.sandbox(self.base, kind)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        return same_change(self.changed)

    def counted(self, stage: str, of: int) -> Callable[..., None]:
        """Something to be called as each part of a stage ends, with whatever."""
        ended = count(1)
        return lambda *_: self.tell(stage, next(ended), of)


# What costs no call -------------------------------------------------------------------------------------------------


async def _facts(work: _Work, evidence: Evidence) -> Evidence:
    """What applies, what the patches are, what the trajectories show of themselves."""
    candidates = evidence.candidates
    facts = await asyncio.to_thread(patch_facts, work.task, candidates, work.changed)
    signals = {
        c.id: evidence.signals[c.id]
        if c.id in evidence.signals and c.id not in work.trajectories
        else signals_of(c, work.trajectories.get(c.id))
        for c in candidates
    }
    applies = {name: files is not None for name, files in work.changed.items()}
    return replace(evidence, applies=applies, facts=facts, signals=signals)


# Executions -----------------------------------------------------------------------------------------------------------


async def _matrix(work: _Work, evidence: Evidence) -> Evidence:
    cells = await run_matrix(
        work.running(GENERATED),
        work.task,
        evidence.candidates,
        evidence.tests,
        work.changed,
        timeout=work.settings.script_timeout,
        slots=work.slots,
        done=work.counted("matrix", (len(work.groups) + 1) * len(evidence.tests)),
        isolation=work.settings.isolation,
        known=evidence.cells,
    )
    return replace(evidence, cells=cells)


async def _repeats(work: _Work, evidence: Evidence) -> Evidence:
    """Further runs of the tests that count: of the others it does not matter whether they are steady."""
    tests, _ = counting(evidence)
    times = work.settings.repeats
    if times < 2 or not tests:
        return evidence
    repeats = await repeat_matrix(
        work.running(GENERATED),
        work.task,
        evidence.candidates,
        tests,
        work.changed,
        times=times,
        timeout=work.settings.script_timeout,
        slots=work.slots,
        done=work.counted("repeats", (times - 1) * (len(work.groups) + 1) * len(tests)),
        known=evidence.repeats,
    )
    return replace(evidence, repeats={**evidence.repeats, **repeats})


async def _existing(work: _Work, evidence: Evidence) -> Evidence:
    ids = [name for group in work.groups for name in group]
    known = {name: r for name, r in evidence.regressions.items() if name in ids and r != _OFF}
    missing = [name for name in ids if name not in known]
    if not work.settings.regressions or not missing:
        return replace(evidence, regressions={**dict.fromkeys(missing, _OFF), **known})
    regressions, existing = await run_regressions(
        work.running(EXISTING),
        work.task,
        evidence.candidates,
        work.changed,
        slots=work.slots,
        timeout=work.settings.regression_timeout,
        done=work.counted("existing tests", len(work.groups) + work.settings.existing_before),
        which=work.settings.existing,
        most=work.settings.existing_files,
        before=work.settings.existing_before,
        known=evidence.existing,
        groundwork=work.groundwork,
    )
    return replace(evidence, regressions=regressions, existing=existing)


async def _reproduction(work: _Work, evidence: Evidence) -> Evidence:
    there = {each.id for each in evidence.reproductions}
    numbers = [i for i in range(1, work.settings.reproduction_files + 1) if f"cases-{i}" not in there]
    paths = sorted({path for changes in work.changed.values() for path in changes or {}})
    written = await together(
        [
            write_reproduction(
                work.asking(REPRODUCTION),
                work.running(REPRODUCTION),
                work.task,
                work.settings,
                i,
                work.slots,
                paths,
            )
            for i in numbers
        ]
    )
    files = [*evidence.reproductions, *(each for each, _ in written if each is not None)]
    why = next((why for _, why in written if why), "")
    found = await run_reproductions(
        work.running(REPRODUCTION),
        work.task,
        sorted(files, key=lambda each: id_order(each.id)),
        work.changed,
        timeout=work.settings.script_timeout,
        slots=work.slots,
        done=work.counted("reproduction cases", len(work.groups) * len(files)),
    )
    return _with_gap(replace(evidence, reproductions=found), REPRODUCTION, why)


# Models ---------------------------------------------------------------------------------------------------------------


async def _extra(work: _Work, evidence: Evidence) -> Evidence:
    if not work.settings.extra_tests:
        return evidence
    found, why = await ask_for_tests(
        work.asking(GENERATED),
        work.running(GENERATED),
        work.task,
        evidence,
        work.changed,
        work.settings,
        work.slots,
        done=work.counted("distinguishing tests", 0),
    )
    return _with_gap(found, "distinguishing tests", why)


async def _machine(work: _Work, evidence: Evidence) -> Evidence:
    """The machine's word on the most voted, where one is wanted and the strategy looks at it."""
    settings = work.settings
    if not settings.asks_machine:
        return evidence
    # Where every patch breaks the same existing tests none is worth choosing, but one must be the best all the same.
    ids = top_shortlist(evidence, settings.keep) or tied_leaders(evidence)[: settings.keep]
    by_id = {candidate.id: candidate for candidate in evidence.candidates}
    shortlist = [by_id[name] for name in ids]
    model, base = work.asking(MACHINE), work.running(MACHINE)
    said = [evidence.machine] if evidence.machine else []
    said = [choice for choice in (*said, *evidence.selectors) if set(choice.shown) == set(ids)]
    runs = 1 if settings.machine == "once" or len(ids) < 2 else settings.machine_runs
    while not said or _may_be_outvoted(said, runs):
        work.tell("selection machine", len(said), runs)
        if settings.machine == "once":
            said.append(await judge_once(model, work.task, shortlist, work.changed, settings))
        else:
            example, run = example_of(evidence, ids), len(said) + 1
            said.append(
                await select(
                    model, base, work.task, shortlist, work.changed, example, settings, work.slots, run
                )
            )
    work.tell("selection machine", runs, runs)
    return replace(evidence, machine=said[0], selectors=tuple(said[1:]))


def _may_be_outvoted(said: Sequence[MachineChoice], runs: int) -> bool:
    """Whether the runs that are left could still make another candidate the one with most words (TRAE's early stop)."""
    left = runs - len(said)
    votes = Counter(choice.winner for choice in said if choice.winner is not None)
    first, second = [*(n for _, n in votes.most_common(2)), 0, 0][:2]
    return left > 0 and second + left >= first


async def _judge(work: _Work, evidence: Evidence) -> Evidence:
    if not work.settings.judge:
        return evidence
    missing = [
        c for c in evidence.candidates if c.id not in evidence.judgements and evidence.applies.get(c.id)
    ]
    work.tell("judge", 0, len(missing))
    found, why = await judge_candidates(
        work.asking(JUDGE), work.task, missing, work.changed, work.settings, work.trajectories
    )
    work.tell("judge", len(missing), len(missing))
    evidence = replace(evidence, judgements={**evidence.judgements, **found})
    return _with_gap(_unseen(work, evidence), JUDGE, why)


async def _tournament(work: _Work, evidence: Evidence) -> Evidence:
    """Summaries of those who play, then their matches. A summary of a patch alone would say nothing new."""
    if not work.settings.tournament:
        return evidence
    players = play(evidence).rounds
    seen = {name for name, trajectory in work.trajectories.items() if trajectory.turns}
    missing = [
        c for c in evidence.candidates if c.id in players and c.id in seen and c.id not in evidence.summaries
    ]
    work.tell("summaries", 0, len(missing))
    if len(players) > 1:
        model = work.asking(MATCHES)
        found, _ = await summarise(model, work.task, missing, work.changed, work.settings, work.trajectories)
        evidence = replace(evidence, summaries={**evidence.summaries, **found})
        matches, why = await play_tournament(
            model, work.task, evidence, work.changed, work.settings, done=work.counted("rounds of matches", 0)
        )
        evidence = _with_gap(replace(evidence, matches=matches), MATCHES, why)
    else:
        evidence = _with_gap(evidence, MATCHES, "there was nothing to compare")
    return _unseen(work, evidence)


def _unseen(work: _Work, evidence: Evidence) -> Evidence:
    """With a word on candidates whose trajectory a judge would have been shown, had it been known."""
    seen = {name for name, trajectory in work.trajectories.items() if trajectory.turns}
    known = [c.id for c in evidence.candidates if c.patch.strip()]
    without = [name for name in known if name not in seen]
    who = "any candidate" if len(without) == len(known) else ", ".join(without)
    return _with_gap(evidence, "trajectories", f"not known of {who}" if without else "")


def _with_gap(evidence: Evidence, kind: str, why: str) -> Evidence:
    return replace(evidence, gaps={**evidence.gaps, kind: why}) if why else evidence


def _check_names(candidates: Sequence[Candidate]) -> None:
    names = [candidate.id for candidate in candidates]
    if UNFIXED in names:
        raise ValueError(
            f"a candidate is called {UNFIXED!r}, which is the name of the original code; rename it"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two candidates are called {twice!r}; every candidate needs an id of its own")
