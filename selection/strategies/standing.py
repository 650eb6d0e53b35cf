"""What comes before every strategy's own rule, and what breaks its ties. Pure."""

from __future__ import annotations

from agent import Candidate

from ..evidence import Evidence
from ..names import id_order

APPLIES, NOT_KNOWN_TO_APPLY, EMPTY = 0, 1, 2


def standing(candidate: Candidate, evidence: Evidence) -> int:
    """A patch that applies stands before one that does not, or is not known to, and that before an empty one."""
    if not candidate.patch.strip():
        return EMPTY
    return APPLIES if evidence.applies.get(candidate.id) else NOT_KNOWN_TO_APPLY


def applying(evidence: Evidence) -> list[Candidate]:
    """The candidates that may be chosen: neither empty nor failing to apply, as far as is known; by tie-break."""
    fit = [c for c in evidence.candidates if standing(c, evidence) == APPLIES]
    return sorted(fit, key=last_resort)


def last_resort(candidate: Candidate) -> tuple[object, ...]:
    """The end of every strategy's order: the shortest patch in characters, then the id, numbers by their value."""
    return len(candidate.patch), id_order(candidate.id)


def objection(candidate: Candidate, evidence: Evidence) -> str:
    """Why it may not be chosen, "" where it may."""
    if not candidate.patch.strip():
        return "the patch is empty"
    applies = evidence.applies.get(candidate.id)
    if applies:
        return ""
    return "the patch does not apply" if applies is False else "not known whether it applies"
