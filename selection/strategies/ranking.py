"""From criteria to a ranking that says why: what all strategies but those of votes are written with. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import Candidate

from ..evidence import Evidence, Ranked, Ranking
from ..votes import votes_of
from .missing import missing
from .standing import APPLIES, NOT_KNOWN_TO_APPLY, last_resort, objection, standing


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that candidates are compared by. name: a noun ("regression rate"). value: the larger the better.

    said: what is to be said of this candidate, a phrase; "" for nothing.
    """

    name: str
    value: float
    said: str = ""


Criteria = Callable[[Candidate], Sequence[Criterion]]


def by_criteria(
    evidence: Evidence, criteria: Criteria, uses: Sequence[str], *, unknown_may_win: bool = False
) -> Ranking:
    """Candidates by standing, then criterion by criterion, then by the last resort (selection/strategies/standing).

    uses: the kinds of evidence that the criteria look at. unknown_may_win: whether a candidate may be chosen that is
    not known to apply.
    """
    seen = {candidate.id: tuple(criteria(candidate)) for candidate in evidence.candidates}

    def place(candidate: Candidate) -> tuple[object, ...]:
        values = tuple(-criterion.value for criterion in seen[candidate.id])
        return standing(candidate, evidence), values, last_resort(candidate)

    places = {candidate.id: place(candidate) for candidate in evidence.candidates}
    order = sorted(evidence.candidates, key=lambda candidate: places[candidate.id])
    worst = NOT_KNOWN_TO_APPLY if unknown_may_win else APPLIES
    ranked = tuple(
        Ranked(
            candidate.id,
            votes_of(candidate.id, evidence),
            standing(candidate, evidence) <= worst,
            _reasons(candidate, evidence, seen[candidate.id]),
        )
        for candidate in order
    )
    chosen = ranked[0].candidate if ranked and ranked[0].worth else None
    tied = tuple(c.id for c in order if chosen and places[c.id][:2] == places[order[0].id][:2])
    return Ranking(
        ranked, chosen, _why(order, ranked, chosen, evidence, seen), missing(evidence, uses), tied=tied
    )


def _reasons(candidate: Candidate, evidence: Evidence, criteria: Sequence[Criterion]) -> tuple[str, ...]:
    against = objection(candidate, evidence)
    said = [criterion.said for criterion in criteria if criterion.said]
    return tuple([against] if against else said or ["nothing is known of it"])


def _why(
    order: Sequence[Candidate],
    ranked: Sequence[Ranked],
    chosen: str | None,
    evidence: Evidence,
    seen: dict[str, tuple[Criterion, ...]],
) -> str:
    if not order:
        return "There is no candidate."
    if chosen is None:
        counts = Counter(objection(candidate, evidence) for candidate in order)
        found = ", ".join(f"{count}: {words}" for words, count in sorted(counts.items()))
        return f"No candidate may be chosen; of {len(order)}, {found}."
    best = f"{chosen}: {'; '.join(ranked[0].reasons)}."
    rivals = [c for c in order[1:] if not objection(c, evidence) and c.patch != order[0].patch]
    if not rivals:
        return f"{best} There is no other patch to choose."
    return f"{best} It stands before {rivals[0].id}, the next, {_by(order[0], rivals[0], seen)}."


def _by(best: Candidate, rival: Candidate, seen: dict[str, tuple[Criterion, ...]]) -> str:
    for one, other in zip(seen[best.id], seen[rival.id], strict=False):
        if one.value != other.value:
            return f"by {one.name}: {_figure(one.value)} against {_figure(other.value)}"
    if len(best.patch) < len(rival.patch):
        return "only because its patch is shorter: all else ties"
    return "only because its id comes first: all else ties"


def _figure(value: float) -> str:
    return "nothing known" if value == UNKNOWN else f"{value:.3g}"


UNKNOWN = float("-inf")
"""The value of a criterion of which nothing is known: worse than any that is."""
