"""Which of the evidence that a strategy uses is not there, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..evidence import (
    EXISTING,
    FACTS,
    GENERATED,
    JUDGE,
    MACHINE,
    MATCHES,
    REPRODUCTION,
    SIGNALS,
    UNFIXED,
    Evidence,
)
from ..names import id_order
from .standing import applying

_NAMED = 3
"""How many candidates a phrase names."""


def missing(evidence: Evidence, uses: Iterable[str]) -> tuple[str, ...]:
    """A phrase for each of these kinds that is not there, or not there for some candidate that applies."""
    names = [candidate.id for candidate in applying(evidence)]
    phrases = []
    for kind in uses:
        have = _HAVE[kind](evidence)
        without = sorted((name for name in names if name not in have), key=id_order)
        if not have or (names and len(without) == len(names)):
            phrases.append(f"{kind}: {evidence.gaps.get(kind) or 'none were gathered'}")
        elif without:
            more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
            phrases.append(f"{kind}: none of {', '.join(without[:_NAMED])}{more}")
    return tuple(phrases)


def has(kind: str, evidence: Evidence) -> bool:
    """Whether there is any evidence of this kind on any candidate."""
    return bool(_HAVE[kind](evidence))


def _tested(evidence: Evidence) -> set[str]:
    return {name for name, _ in evidence.cells} - {UNFIXED}


def _reproduced(evidence: Evidence) -> set[str]:
    return {name for each in evidence.reproductions for name in each.runs} - {UNFIXED}


def _matched(evidence: Evidence) -> set[str]:
    return {name for match in evidence.matches for name in (match.first, match.second)}


def _shown(evidence: Evidence) -> set[str]:
    """The machine's word is about all of them: those it was not shown were not good enough for it."""
    known = evidence.machine is not None or evidence.selectors
    return {candidate.id for candidate in evidence.candidates} if known else set()


def _existing(evidence: Evidence) -> set[str]:
    return {name for name, regression in evidence.regressions.items() if not regression.error}


_HAVE: Mapping[str, Callable[[Evidence], set[str]]] = {
    GENERATED: _tested,
    EXISTING: _existing,
    REPRODUCTION: _reproduced,
    JUDGE: lambda evidence: set(evidence.judgements),
    MATCHES: _matched,
    MACHINE: _shown,
    SIGNALS: lambda evidence: {name for name, signals in evidence.signals.items() if signals.steps},
    FACTS: lambda evidence: set(evidence.facts),
}
