"""How many model calls gathering the evidence on candidates takes, by the settings. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from agent.calls import NONE, Calls

from .settings import SelectionSettings


def selection_calls(
    settings: SelectionSettings,
    candidates: int,
    weighed: Sequence[int] = (),
    by: SelectionSettings | None = None,
) -> Calls:
    """All weighing of an issue: the last one of so many candidates, and those before it.

    weighed: how many candidates each weighing in the middle was about; by: its settings. What they gathered (a word of
    the judge, reproduction cases) is not gathered again. At the least no two candidates differ, and nothing is asked.
    Typically a selection machine makes a test and decides, a file of cases is written and approved, a judge's server
    gives log-probabilities, and half of the tests that may be asked for are.
    """
    calls = _once(settings, candidates) + _each_time(settings, candidates)
    if by is None or not weighed:
        return calls
    if not _kept(settings) >= _kept(by):
        calls += _once(by, max(weighed))
    return sum((_each_time(by, number) for number in weighed), calls)


def _kept(settings: SelectionSettings) -> frozenset[str]:
    """What is gathered once for a candidate, or for the issue."""
    judge = {"judge"} if settings.judge else set()
    return frozenset(judge | ({"cases"} if settings.reproduction_files else set()))


def _once(settings: SelectionSettings, candidates: int) -> Calls:
    calls = NONE
    if settings.reproduction_files:
        most = settings.reproduction_calls
        calls += Calls(1, min(2, most), most).times(settings.reproduction_files)
    if settings.judge:
        calls += Calls(0, candidates, candidates * settings.judge_samples)
    return calls


def _each_time(settings: SelectionSettings, candidates: int) -> Calls:
    if candidates < 2:
        return NONE
    calls = Calls(0, ceil(settings.extra_tests / 2), settings.extra_tests)
    if settings.asks_machine and settings.machine == "once":
        calls += Calls(0, 1, 1)
    elif settings.asks_machine:
        most = settings.calls * settings.machine_runs
        calls += Calls(0, min(2 * settings.machine_runs, most), most)
    if settings.tournament:
        # Summaries, then the matches of a knock-out with the sides swapped.
        both = candidates + 2 * settings.match_repeats * (candidates - 1)
        calls += Calls(0, both, both)
    return calls
