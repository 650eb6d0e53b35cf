"""What a choice rests on, in one or two sentences for a reviewer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agent import Candidate

from .evidence import Evidence
from .votes import votes_of
from .worth_choosing import faults, worth

_QUOTED = 400
"""Characters of the machine's own words that `why_chosen` repeats at most."""


def why_chosen(
    evidence: Evidence, order: Sequence[Candidate], same: Mapping[str, str], winner: str | None
) -> str:
    """Why the first of `order` is chosen, or why none is.

    same: candidates whose patch stands further up, with the id that it has there. winner: whom the selection
    machine decided for, None where votes decide.
    """
    if not order:
        return "There is no candidate."
    best = order[0]
    good, reasons = worth(best, evidence)
    if not good:
        counts = Counter(fault for candidate in order for fault in faults(candidate, evidence))
        found = ", ".join(f"{count} {fault}" for fault, count in sorted(counts.items()))
        return f"No candidate is worth choosing; of {len(order)}: {found}."
    return f"{best.id}: {'; '.join(reasons)}. {_decided(evidence, order, same, winner)}"


def _decided(
    evidence: Evidence, order: Sequence[Candidate], same: Mapping[str, str], winner: str | None
) -> str:
    best, machine = order[0], evidence.machine
    if winner is not None and machine is not None:
        others = _named([shown for shown in machine.shown if shown != winner])
        said = f": {_quoted(machine.reason)}" if machine.reason else "."
        return f"The selection machine preferred it to {others}{said}"
    rivals = [c for c in order[1:] if c.id not in same and worth(c, evidence)[0]]
    if not rivals:
        twins = _named(sorted(twin for twin, first in same.items() if first == best.id))
        return "No other patch is worth choosing" + (f"; {twins} made the same one." if twins else ".")
    by_votes = _by_votes(evidence, best, rivals[0])
    if machine is not None and len(machine.shown) > 1 and machine.winner != best.id:
        return f"The selection machine did not decide ({_quoted(machine.reason)}), so votes do: {by_votes}"
    return by_votes[0].upper() + by_votes[1:]


def _by_votes(evidence: Evidence, best: Candidate, next_best: Candidate) -> str:
    votes, next_votes = votes_of(best.id, evidence), votes_of(next_best.id, evidence)
    if votes > next_votes:
        return f"it has the most votes, {votes}; {next_best.id}, the next, has {next_votes}."
    rule = "its patch is shorter" if len(best.patch) < len(next_best.patch) else "its id comes first"
    return f"it has as many votes as {next_best.id}, {votes}, and {rule}."


def _quoted(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _QUOTED else words[: _QUOTED - 4].rstrip() + " ..."


def _named(ids: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(ids[:-1]), *ids[-1:])))
