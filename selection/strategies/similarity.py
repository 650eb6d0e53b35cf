"""Execution first, and where nothing that was generated says anything, the patch that is most like the others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent import Candidate

from ..evidence import EXISTING, FACTS, GENERATED, JUDGE, REPRODUCTION, Evidence, Ranking
from ..likeness import likeness
from ..rates import cases_to_resolve
from .criteria import judge_criterion, regression_criterion, reproduction_criterion
from .ranking import UNKNOWN, Criterion, by_criteria
from .standing import applying


def similarity(evidence: Evidence) -> Ranking:
    """The highest regression rate; then the most reproduction cases, or the likeness to the others; then the judge.

    Likeness is looked at only where no case fails on the unfixed code: it is a poor stand-in for running something.
    Source: SWE-Reasoner (Ma et al., 2025), patch verification: execution, then an outcome score; the patch most similar
    to the others where no reproduction is valid. It says nothing of existing tests; they come first here as elsewhere.
    """
    fit = [candidate.id for candidate in applying(evidence)]
    alike = {} if cases_to_resolve(evidence) else likeness(evidence, fit)

    def criteria(candidate: Candidate) -> Sequence[Criterion]:
        if cases_to_resolve(evidence):
            generated = reproduction_criterion(candidate.id, evidence)
        else:
            generated = _likeness(alike.get(candidate.id), len(fit) - 1)
        return [
            regression_criterion(candidate.id, evidence),
            generated,
            judge_criterion(candidate.id, evidence),
        ]

    return by_criteria(evidence, criteria, (EXISTING, GENERATED, REPRODUCTION, FACTS, JUDGE))


def _likeness(value: float | None, others: int) -> Criterion:
    name = "likeness to the others"
    if value is None:
        return Criterion(name, UNKNOWN, "not known what it changes")
    said = f"{value:.0%} like the {others} others on the mean" if others else "there is no other patch"
    return Criterion(name, value, said)
