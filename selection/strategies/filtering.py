"""Agentless and TRAE: filter by existing tests first, then let the candidates or a selector vote. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agent import Candidate

from ..agreement import programs
from ..evidence import EXISTING, FACTS, GENERATED, MACHINE, REPRODUCTION, Evidence, Ranking
from ..rates import broken_tests
from .criteria import reproduction_criterion, unbroken_criterion
from .ranking import Criterion, by_criteria
from .standing import applying


def agentless(evidence: Evidence) -> Ranking:
    """Agentless: the fewest broken existing tests, then the most reproduction cases, then the majority.

    The majority is of normalised patches (comments, docstrings and layout removed) among those that tie in both;
    duplicates are votes. Source: Agentless, patch validation.
    """
    scores: dict[tuple[float, float], list[str]] = {}
    for candidate in applying(evidence):
        scores.setdefault(_tested(candidate, evidence), []).append(candidate.id)
    sizes: dict[str, int] = {}
    for level in scores.values():
        counted = programs(evidence, level)
        sizes.update({name: counted[name] for name in level})

    def criteria(candidate: Candidate) -> Sequence[Criterion]:
        return [
            unbroken_criterion(candidate.id, evidence),
            reproduction_criterion(candidate.id, evidence),
            _majority(sizes.get(candidate.id, 0)),
        ]

    return by_criteria(evidence, criteria, (EXISTING, GENERATED, REPRODUCTION, FACTS))


def trae(evidence: Evidence) -> Ranking:
    """TRAE: those that break no existing test (all, where none does not), then the selector's votes.

    A selector's runs are the selection machine's: each that names a winner is a vote for that program. Unlike TRAE,
    the size of a program's group breaks ties, indentation counts, and no grade is looked at. Source: TRAE (2025).
    """
    fit = applying(evidence)
    clean = {candidate.id for candidate in fit if broken_tests(candidate.id, evidence) == 0}
    votes = _selector_votes(evidence)
    sizes = programs(evidence, [candidate.id for candidate in fit])

    def criteria(candidate: Candidate) -> Sequence[Criterion]:
        kept = not clean or candidate.id in clean
        said = "breaks no existing test" if candidate.id in clean else "not known to break no existing test"
        return [
            Criterion("existing tests", float(kept), said),
            Criterion(
                "votes of the selector", votes[candidate.patch], f"{votes[candidate.patch]} selector votes"
            ),
            _majority(sizes.get(candidate.id, 0)),
        ]

    return by_criteria(evidence, criteria, (EXISTING, MACHINE, FACTS))


def _tested(candidate: Candidate, evidence: Evidence) -> tuple[float, float]:
    return (
        unbroken_criterion(candidate.id, evidence).value,
        reproduction_criterion(candidate.id, evidence).value,
    )


def _majority(size: int) -> Criterion:
    said = f"{size} candidates make this program" if size != 1 else "nobody else makes this program"
    return Criterion("candidates that agree", size, said if size else "not known who makes the same program")


def _selector_votes(evidence: Evidence) -> Mapping[str, int]:
    """Votes by patch: the selector is shown each patch once, under one of its ids."""
    patches = {candidate.id: candidate.patch for candidate in evidence.candidates}
    runs = ([evidence.machine] if evidence.machine else []) + list(evidence.selectors)
    return Counter(patches[run.winner] for run in runs if run.winner in run.shown and run.winner in patches)
