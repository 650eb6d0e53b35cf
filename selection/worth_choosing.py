"""Whether a candidate is worth choosing at all, by the rule that Winnow promises its users. Pure."""

from __future__ import annotations

from agent import Candidate

from .evidence import Evidence, Regression
from .votes import counting, votes_of

_NAMED = 3
"""How many broken tests a reason names."""


def worth(candidate: Candidate, evidence: Evidence) -> tuple[bool, tuple[str, ...]]:
    """Whether it may be chosen, and what that rests on, a short phrase each.

    A patch is worth choosing when it is not empty, applies, breaks no existing test that passed, and passes a
    generated test that fails on the unfixed code, where there is one. Evidence that is missing counts against it;
    that there is nothing to compare with (`Regression.error`) does not.
    """
    if not candidate.patch.strip():
        return False, ("the patch is empty",)
    applies = evidence.applies.get(candidate.id)
    if not applies:
        return False, ("the patch does not apply" if applies is False else "not known whether it applies",)
    return not faults(candidate, evidence), (
        _generated(candidate.id, evidence),
        _existing(evidence.regressions.get(candidate.id)),
    )


def faults(candidate: Candidate, evidence: Evidence) -> tuple[str, ...]:
    """What keeps it from being worth choosing, in words that many candidates may share; none where it is worth it."""
    if not candidate.patch.strip():
        return ("empty",)
    if not evidence.applies.get(candidate.id):
        return ("not applying",)
    found = []
    if counting(evidence)[0] and not votes_of(candidate.id, evidence):
        found.append("passing no generated test that counts")
    regression = evidence.regressions.get(candidate.id)
    if regression is None:
        found.append("not run on existing tests")
    elif not regression.error and regression.broken:
        found.append("breaking existing tests")
    return tuple(found)


def _generated(candidate: str, evidence: Evidence) -> str:
    tests, silent = counting(evidence)
    if not tests:
        return "no generated test fails on the unfixed code" if silent else "there is no generated test"
    missing = sum((candidate, test.id) not in evidence.cells for test in tests)
    return (
        f"passes {votes_of(candidate, evidence)} of {len(tests)} generated tests that fail on the unfixed code"
        + (f" ({missing} not run on it)" if missing else "")
    )


def _existing(regression: Regression | None) -> str:
    if regression is None:
        return "existing tests were not run on it"
    if regression.error:
        return f"existing tests say nothing: {regression.error}"
    if not regression.broken:
        return f"breaks none of {regression.known} existing tests"
    named = ", ".join(regression.broken[:_NAMED])
    more = f" and {len(regression.broken) - _NAMED} more" if len(regression.broken) > _NAMED else ""
    own = f"; it changes the files of {len(regression.touched)} of them itself" if regression.touched else ""
    return f"breaks {len(regression.broken)} of {regression.known} existing tests: {named}{more}{own}"
