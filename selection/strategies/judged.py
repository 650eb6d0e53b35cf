"""R2E-Gym's execution-free verifier, and its hybrid of that with execution. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent import Candidate

from ..evidence import EXISTING, GENERATED, JUDGE, REPRODUCTION, Evidence, Ranking
from .criteria import judge_criterion, regression_criterion, reproduction_criterion
from .ranking import Criterion, by_criteria
from .standing import applying, last_resort

FEWEST = 3
"""R2E-Gym keeps max(3, n/2) candidates for the second stage."""


def judge(evidence: Evidence) -> Ranking:
    """The highest P(YES) of a judge that reads the issue, the trajectory and the patch, and runs nothing."""
    return by_criteria(evidence, lambda c: [judge_criterion(c.id, evidence)], (JUDGE,))


def hybrid(evidence: Evidence) -> Ranking:
    """R2E-Gym's rule, which is lexicographic and in two stages.

    1. Sort by (execution-free, regression, reproduction) and keep the best max(3, n // 2), n being the candidates that
    apply and are not empty. 2. Of those: the highest regression rate, then the highest reproduction score, then the
    highest execution-free score. Those that were not kept follow in the order of the first stage. Ties of all three,
    which R2E-Gym leaves to the order of its list, go to the shorter patch, then to the id.
    """
    kept = _kept(evidence)

    def criteria(candidate: Candidate) -> Sequence[Criterion]:
        free, rate, score = _scores(candidate, evidence)
        if candidate.id in kept:
            return [Criterion(_STAGE, 1.0, f"among the {len(kept)} best by the judge"), rate, score, free]
        return [Criterion(_STAGE, 0.0, "not among the best by the judge"), free, rate, score]

    return by_criteria(evidence, criteria, (JUDGE, EXISTING, GENERATED, REPRODUCTION))


_STAGE = "the judge's first choice"


def _kept(evidence: Evidence) -> set[str]:
    fit = applying(evidence)
    order = sorted(fit, key=lambda c: ([-score.value for score in _scores(c, evidence)], last_resort(c)))
    return {candidate.id for candidate in order[: max(FEWEST, len(fit) // 2)]}


def _scores(candidate: Candidate, evidence: Evidence) -> tuple[Criterion, Criterion, Criterion]:
    return (
        judge_criterion(candidate.id, evidence),
        regression_criterion(candidate.id, evidence),
        reproduction_criterion(candidate.id, evidence),
    )
