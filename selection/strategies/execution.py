"""Rankings by what was run alone: existing tests, and existing and generated ones. Pure."""

from __future__ import annotations

from ..evidence import EXISTING, GENERATED, REPRODUCTION, Evidence, Ranking
from .criteria import regression_criterion, reproduction_criterion
from .ranking import by_criteria


def regression(evidence: Evidence) -> Ranking:
    """The highest share of existing tests that still pass."""
    return by_criteria(evidence, lambda c: [regression_criterion(c.id, evidence)], (EXISTING,))


def execution(evidence: Evidence) -> Ranking:
    """R2E-Gym's execution-based verifier: the highest regression rate, then the highest reproduction score."""
    return by_criteria(
        evidence,
        lambda c: [regression_criterion(c.id, evidence), reproduction_criterion(c.id, evidence)],
        (EXISTING, GENERATED, REPRODUCTION),
    )
