"""The criteria that several strategies share, each in the words that a reader is told. Pure."""

from __future__ import annotations

from ..evidence import Evidence
from ..rates import broken_tests, cases_to_resolve, regression_rate, reproduction_score, yes
from .ranking import UNKNOWN, Criterion


def regression_criterion(candidate: str, evidence: Evidence) -> Criterion:
    """R2E-Gym's regression rate; of candidates of which nothing is known, the worst."""
    rate = regression_rate(candidate, evidence)
    if rate is None:
        found = evidence.regressions.get(candidate)
        why = f": {found.error}" if found is not None and found.error else ""
        return Criterion("regression rate", UNKNOWN, f"existing tests say nothing of it{why}")
    found = evidence.regressions[candidate]
    return Criterion("regression rate", rate, f"{found.passed} of {found.known} existing tests still pass")


def unbroken_criterion(candidate: str, evidence: Evidence) -> Criterion:
    """The fewest broken existing tests."""
    broken = broken_tests(candidate, evidence)
    if broken is None:
        return Criterion("existing tests broken (fewest)", UNKNOWN, "existing tests were not run on it")
    found = evidence.regressions[candidate]
    said = f"existing tests say nothing: {found.error}" if found.error else f"breaks {broken} existing tests"
    return Criterion("existing tests broken (fewest)", -broken, said)


def reproduction_criterion(candidate: str, evidence: Evidence) -> Criterion:
    """R2E-Gym's reproduction score."""
    score = reproduction_score(candidate, evidence)
    if score is None:
        return Criterion("reproduction score", UNKNOWN, "no generated case was run on it")
    return Criterion(
        "reproduction score", score, f"resolves {score} of {cases_to_resolve(evidence)} generated cases"
    )


def judge_criterion(candidate: str, evidence: Evidence) -> Criterion:
    """The judge's P(YES)."""
    chance = yes(candidate, evidence)
    if chance is None:
        return Criterion("the judge's P(YES)", UNKNOWN, "not judged")
    found = evidence.judgements[candidate]
    how = "" if found.how == "log-probabilities" else f" (share of {found.samples} samples)"
    return Criterion("the judge's P(YES)", chance, f"the judge says {chance:.2f}{how}")
