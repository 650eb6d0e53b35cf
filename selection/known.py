"""What an earlier gathering found that is still true of the candidates there are now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from agent import Candidate

from .evidence import (
    EXISTING,
    GENERATED,
    JUDGE,
    MACHINE,
    MATCHES,
    REPRODUCTION,
    UNFIXED,
    Evidence,
    Test,
)
from .names import id_order

V = TypeVar("V")


def still_true(known: Evidence | None, candidates: Sequence[Candidate]) -> Evidence:
    """Evidence about these candidates with what is known of those whose patch is the same as it was; maybe nothing.

    Tests keep their names as long as a candidate has them, so that no cell changes its meaning; tests of new candidates
    are added. What was found out about the unfixed code stays.
    """
    known = known or Evidence(())
    before = {candidate.id: candidate for candidate in known.candidates}
    same = {c.id for c in candidates if c.id in before and before[c.id].patch == c.patch}
    tests = distinct_tests(candidates, known.tests)
    names = {test.id for test in tests}
    columns = same | {UNFIXED}
    existing = known.existing
    return replace(
        known,
        candidates=tuple(candidates),
        tests=tests,
        cells={(c, t): run for (c, t), run in known.cells.items() if c in columns and t in names},
        repeats={(c, t): runs for (c, t), runs in known.repeats.items() if c in columns and t in names},
        applies=_of(known.applies, same),
        regressions=_of(known.regressions, same),
        existing=existing and replace(existing, differs=_of(existing.differs, same)),
        reproductions=tuple(replace(each, runs=_of(each.runs, columns)) for each in known.reproductions),
        judgements=_of(known.judgements, same),
        summaries=_of(known.summaries, same),
        matches=tuple(match for match in known.matches if {match.first, match.second} <= same),
        machine=known.machine if known.machine and set(known.machine.shown) <= same else None,
        selectors=tuple(choice for choice in known.selectors if set(choice.shown) <= same),
        signals=_of(known.signals, same),
        facts=_of(known.facts, same),
        alike=tuple(group for group in known.alike if set(group) <= same),
        gaps={},
    )


def forgetting(known: Evidence, kinds: Iterable[str]) -> Evidence:
    """Evidence without what was gathered of these kinds (`FORGOTTEN`), so that it is gathered again.

    What they took stays in `effort`: it was spent.
    """
    nothing: dict[str, Any] = {}
    for kind in kinds:
        nothing |= FORGOTTEN[kind]
    if GENERATED in kinds:
        nothing["tests"] = tuple(test for test in known.tests if test.origin == "attempt")
    return replace(known, **nothing)


FORGOTTEN: Mapping[str, Mapping[str, Any]] = {
    GENERATED: {"cells": {}, "repeats": {}},
    EXISTING: {"regressions": {}, "existing": None},
    REPRODUCTION: {"reproductions": ()},
    JUDGE: {"judgements": {}},
    MATCHES: {"matches": (), "summaries": {}},
    MACHINE: {"machine": None, "selectors": ()},
}
"""By kind the fields of Evidence that it is written to, empty. The other kinds are found out anew each time."""


def distinct_tests(candidates: Sequence[Candidate], known: Sequence[Test] = ()) -> tuple[Test, ...]:
    """Every distinct script once, under the name of the attempt that has the lowest id ("test-2" of attempt-2).

    known: tests that have a name already; those that no candidate has, and that were not asked for besides, are left
    out.
    """
    short = all(candidate.id.startswith("attempt-") for candidate in candidates)
    scripts = {candidate.test for candidate in candidates}
    kept = [test for test in known if test.script in scripts or test.origin != "attempt"]
    tests = {test.script: test for test in kept if test.origin == "attempt"}
    taken = {test.id for test in kept}
    for candidate in sorted(candidates, key=lambda candidate: id_order(candidate.id)):
        if candidate.test is not None and candidate.test not in tests:
            name = f"test-{candidate.id.removeprefix('attempt-') if short else candidate.id}"
            while name in taken:
                name += "'"
            taken.add(name)
            tests[candidate.test] = Test(name, candidate.test)
    written = sorted(tests.values(), key=lambda test: id_order(test.id))
    return (*written, *(test for test in kept if test.origin != "attempt"))


def _of(values: Mapping[str, V], names: set[str]) -> dict[str, V]:
    return {name: value for name, value in values.items() if name in names}
