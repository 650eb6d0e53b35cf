"""What files of reproduction cases print: one of three outcomes for each case. Pure.

Source: R2E-Gym's testing agent, which counts the lines "Issue resolved". Here each case has a name besides, so that one
which says nothing on the unfixed code can be left out on the candidates too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent import Run, stopped

from .evidence import CaseOutcome, Cases

LEAST = 10
"""Cases that a file must have at least. Source: R2E-Gym."""

_OUTCOMES: dict[str, CaseOutcome] = {
    "issue reproduced": "reproduced",
    "issue resolved": "resolved",
    "other issues": "other",
}
_LINE = re.compile(
    r"^[ \t]*(?:\[(?P<name>[^\[\]\n]{1,200})\][ \t]*)?"
    r"(?P<outcome>Issue reproduced|Issue resolved|Other issues)[ \t.]*$",
    re.IGNORECASE | re.MULTILINE,
)


def read_cases(run: Run, seconds: float) -> Cases:
    """The outcomes that a run printed, by the case's name ("case 3" for the third line without one).

    A name that stands there twice with different outcomes is "other": it is not known which one is meant. A run that
    was stopped keeps what it printed before, and `error` says how it ended.
    """
    outcomes: dict[str, CaseOutcome] = {}
    for number, match in enumerate(_LINE.finditer(run.output), 1):
        name = (match["name"] or f"case {number}").strip()
        outcome = _OUTCOMES[match["outcome"].lower()]
        outcomes[name] = outcome if outcomes.get(name, outcome) == outcome else "other"
    if run.ended == "killed":
        return Cases(outcomes, "it ended its sandbox")
    if said := stopped(run, seconds):
        return Cases(outcomes, said[0].lower() + said[1:])
    if not outcomes:
        return Cases(outcomes, f"it printed no outcome (exit code {run.exit_code})")
    return Cases(outcomes)


def faults_of(unfixed: Cases, least: int = LEAST) -> Sequence[str]:
    """Why a file cannot be used as it is, by what it said on the unfixed code; none where it can."""
    faults = []
    if unfixed.error:
        faults.append(f"{unfixed.error[0].upper()}{unfixed.error[1:]}.")
    if unfixed.outcomes and len(unfixed.outcomes) < least:
        faults.append(
            f"It has {len(unfixed.outcomes)} cases with a name of their own; {least} are the least."
        )
    if unfixed.outcomes and (reproduced := unfixed.count("reproduced")) * 2 < len(unfixed.outcomes):
        faults.append(
            f"{reproduced} of {len(unfixed.outcomes)} cases reproduce the issue on the unfixed code. The others tell "
            f"nothing: {_named(unfixed, 'resolved')} {_named(unfixed, 'other')}".rstrip()
        )
    return faults


def _named(cases: Cases, outcome: CaseOutcome) -> str:
    names = [name for name, seen in cases.outcomes.items() if seen == outcome]
    word = {"resolved": "resolved already", "other": "other issues"}.get(outcome, outcome)
    return f"{word}: {', '.join(names[:10])}{' and more' if len(names) > 10 else ''}." if names else ""
