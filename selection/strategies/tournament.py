"""A tournament of pairs: what matches between summaries say, round by round, until one is left. Pure.

Source: Recursive Tournament Voting, arXiv 2604.16529 (small groups, several comparisons each, winners go on); each
comparison is made with the sides swapped too, since judges favour a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent import Candidate

from ..evidence import EXISTING, GENERATED, MATCHES, REPRODUCTION, Evidence, Ranking
from ..votes import distinct
from .criteria import regression_criterion, reproduction_criterion
from .ranking import Criterion, by_criteria
from .standing import applying, last_resort


def tournament(evidence: Evidence) -> Ranking:
    """Winner first, then by the round in which each was beaten.

    Every patch plays once, under its first id. Those that play are seeded by the last resort (shortest, then id);
    neighbours play; who has more wins of their matches goes on; one without a neighbour goes on unplayed. Where a pair
    ties, or did not play, execution decides (regression rate, reproduction score), then the last resort.
    """
    bracket = play(evidence)
    same = _same(evidence)

    def criteria(candidate: Candidate) -> Sequence[Criterion]:
        lasted = bracket.rounds.get(same.get(candidate.id, candidate.id), 0)
        wins, losses, ties = matches_of(candidate.patch, evidence)
        said = f"{wins} matches won, {losses} lost, {ties} tied; beaten in round {lasted} of {bracket.last}"
        if lasted > bracket.last:
            said = f"unbeaten in {bracket.last} rounds: {wins} matches won, {losses} lost, {ties} tied"
        return [Criterion("rounds of the tournament", lasted, said)]

    return by_criteria(evidence, criteria, (MATCHES, EXISTING, GENERATED, REPRODUCTION))


def open_pairs(evidence: Evidence, comparisons: int) -> tuple[tuple[str, str], ...]:
    """The pairs of the first round that is not played out: those with fewer than `comparisons` matches.

    What gathers matches asks for these until there are none; () once the tournament has a winner.
    """
    for pairs in play(evidence).pairs:
        lacking = tuple(pair for pair in pairs if len(_between(*pair, evidence)) < comparisons)
        if lacking:
            return lacking
    return ()


@dataclass(frozen=True, slots=True)
class Bracket:
    """rounds: by id of those that played, the round in which it was beaten, last + 1 for the winner.

    pairs: by round, from the first.
    """

    rounds: dict[str, int]
    pairs: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def last(self) -> int:
        return len(self.pairs)


def play(evidence: Evidence) -> Bracket:
    """The tournament as far as evidence decides it, and by its tie-breaks from there."""
    same = _same(evidence)
    left = [c for c in applying(evidence) if same[c.id] == c.id]
    rounds: dict[str, int] = {}
    pairs: list[tuple[tuple[str, str], ...]] = []
    while len(left) > 1:
        played = list(zip(left[0::2], left[1::2], strict=False))
        winners = [_winner(one, other, evidence) for one, other in played]
        for (one, other), winner in zip(played, winners, strict=True):
            rounds[(other if winner is one else one).id] = len(pairs) + 1
        pairs.append(tuple((one.id, other.id) for one, other in played))
        left = winners + left[2 * len(played) :]
    for candidate in left:
        rounds[candidate.id] = len(pairs) + 1
    return Bracket(rounds, tuple(pairs))


def matches_of(patch: str, evidence: Evidence) -> tuple[int, int, int]:
    """Matches that a patch won, lost and tied, under whichever id it played."""
    names = {candidate.id for candidate in evidence.candidates if candidate.patch == patch}
    own = [match for match in evidence.matches if (match.first in names) != (match.second in names)]
    wins = sum(match.winner in names for match in own)
    ties = sum(match.winner is None for match in own)
    return wins, len(own) - wins - ties, ties


def _winner(one: Candidate, other: Candidate, evidence: Evidence) -> Candidate:
    found = _between(one.id, other.id, evidence)
    ahead = sum(winner == one.id for winner in found) - sum(winner == other.id for winner in found)
    if ahead:
        return one if ahead > 0 else other

    def place(candidate: Candidate) -> tuple[object, ...]:
        rate = regression_criterion(candidate.id, evidence).value
        score = reproduction_criterion(candidate.id, evidence).value
        return -rate, -score, last_resort(candidate)

    return min(one, other, key=place)


def _between(one: str, other: str, evidence: Evidence) -> list[str | None]:
    """Who won each match between the patches of these two: `one`, `other` or None. They may have had other ids."""
    patches = {candidate.id: candidate.patch for candidate in evidence.candidates}
    ids = {patches[one]: one, patches[other]: other}
    winners: list[str | None] = []
    for match in evidence.matches:
        pair = patches.get(match.first), patches.get(match.second)
        if set(pair) == set(ids) and pair[0] != pair[1]:
            winners.append(ids.get(patches[match.winner]) if match.winner in patches else None)
    return winners


def _same(evidence: Evidence) -> dict[str, str]:
    """For each candidate that applies, the id under which its patch plays."""
    return {
        candidate.id: min(group, key=last_resort).id
        for group in distinct(applying(evidence))
        for candidate in group
    }
