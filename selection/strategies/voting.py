"""Votes of generated tests, alone or with the selection machine's word before them.

Source: CodeMonkeys, selection (votes, top 3, selection machine), with Winnow's rule of what is worth choosing put
before it, and tests that do not fail on the unfixed code left out.

Candidates stand in this order: worth choosing before not (those that do not apply after those that do, empty ones
last); the selection machine's winner first, where a strategy uses it; then most votes; then the shortest patch in
characters; then the id, numbers in it by their value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent import Candidate

from ..evidence import EXISTING, GENERATED, MACHINE, Evidence, Ranked, Ranking
from ..explain import why_chosen
from ..votes import distinct, votes_of
from ..worth_choosing import worth
from .missing import missing
from .standing import last_resort


def codemonkeys(evidence: Evidence) -> Ranking:
    """The selection machine's winner, where it is one of those shown and worth choosing; else the most voted."""
    return _ranking(evidence, _winner(evidence), (GENERATED, EXISTING, MACHINE))


def most_votes(evidence: Evidence) -> Ranking:
    """The most voted candidate that is worth choosing: CodeMonkeys without its selection machine."""
    return _ranking(replace(evidence, machine=None), None, (GENERATED, EXISTING))


def top_shortlist(evidence: Evidence, keep: int = 3) -> tuple[str, ...]:
    """The best `keep` candidates by votes that are worth choosing, each patch once: what the machine is shown."""
    order = _ordered(evidence, {c.id: _rule(c, evidence, None) for c in evidence.candidates})
    same = _same_as(order)
    return tuple(c.id for c in order if c.id not in same and worth(c, evidence)[0])[:keep]


def _ranking(evidence: Evidence, winner: str | None, uses: Sequence[str]) -> Ranking:
    rule = {candidate.id: _rule(candidate, evidence, winner) for candidate in evidence.candidates}
    order = _ordered(evidence, rule)
    same = _same_as(order)
    ranked = []
    for candidate in order:
        good, reasons = worth(candidate, evidence)
        if candidate.id in same:
            reasons = (f"the same patch as {same[candidate.id]}", *reasons)
        if candidate.id == winner:
            reasons = ("the selection machine's winner", *reasons)
        ranked.append(Ranked(candidate.id, votes_of(candidate.id, evidence), good, reasons))
    chosen = ranked[0].candidate if ranked and ranked[0].worth else None
    return Ranking(
        tuple(ranked),
        chosen,
        why_chosen(evidence, order, same, winner),
        missing(evidence, uses),
        tied=tuple(c.id for c in order if chosen and rule[c.id] == rule[chosen]),
    )


def _winner(evidence: Evidence) -> str | None:
    """The machine's winner, None where it has none, was not shown it, or where it is not worth choosing."""
    machine = evidence.machine
    if machine is None or machine.winner is None or machine.winner not in machine.shown:
        return None
    named = next((c for c in evidence.candidates if c.id == machine.winner), None)
    return named.id if named is not None and worth(named, evidence)[0] else None


def _ordered(evidence: Evidence, rule: Mapping[str, tuple[int, bool, int]]) -> list[Candidate]:
    """Every candidate, best first, in the order that this file states."""

    return sorted(evidence.candidates, key=lambda c: (*rule[c.id], *last_resort(c)))


def _rule(candidate: Candidate, evidence: Evidence, winner: str | None) -> tuple[int, bool, int]:
    """All that decides but the last resort."""
    return _standing(candidate, evidence), candidate.id != winner, -votes_of(candidate.id, evidence)


def _standing(candidate: Candidate, evidence: Evidence) -> int:
    """0: worth choosing; 1: applies, at least; 2: does not apply, as far as is known; 3: empty."""
    if worth(candidate, evidence)[0]:
        return 0
    if not candidate.patch.strip():
        return 3
    return 1 if evidence.applies.get(candidate.id) else 2


def _same_as(order: Sequence[Candidate]) -> dict[str, str]:
    """For a candidate whose patch stands further up already: the id that it has there. Empty patches are left out."""
    same: dict[str, str] = {}
    for group in distinct(candidate for candidate in order if candidate.patch.strip()):
        members = {candidate.id for candidate in group}
        first, *others = [candidate.id for candidate in order if candidate.id in members]
        same.update(dict.fromkeys(others, first))
    return same
