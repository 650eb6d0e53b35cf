"""What a strategy should beat, and what none can: chance, the shortest patch, and knowing the answer. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..evidence import Evidence, Ranking, Strategy
from .ranking import Criterion, by_criteria


def random(evidence: Evidence) -> Ranking:
    """Any candidate that is not empty: the lowest digest of id and patch, so by content, the same each time."""

    def drawn(name: str, patch: str) -> float:
        digest = hashlib.sha256(f"{name}\0{patch}".encode("utf-8", "surrogateescape")).digest()
        return -float(int.from_bytes(digest[:6], "big"))

    return by_criteria(
        evidence, lambda c: [Criterion("chance", drawn(c.id, c.patch), "drawn")], (), unknown_may_win=True
    )


def shortest(evidence: Evidence) -> Ranking:
    """The shortest patch, in characters, that is not empty."""
    return by_criteria(
        evidence,
        lambda c: [Criterion("length", -len(c.patch), f"{len(c.patch)} characters")],
        (),
        unknown_may_win=True,
    )


def oracle(grades: Mapping[str, bool]) -> Strategy:
    """A strategy that knows which candidates resolve the issue: what perfect selection would come to.

    The grades are handed to it alone: they are no evidence, and no other strategy can see them.
    """

    def rank(evidence: Evidence) -> Ranking:
        return by_criteria(
            evidence,
            lambda c: [Criterion("the grade", float(grades.get(c.id, False)), _said(grades.get(c.id)))],
            (),
            unknown_may_win=True,
        )

    return rank


def _said(grade: bool | None) -> str:
    return "not graded" if grade is None else "resolves the issue" if grade else "does not resolve the issue"
