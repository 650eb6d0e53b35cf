"""Strategies: pure functions from evidence to a ranking with reasons; no model, execution, clock or chance.

All of them put candidates that apply before those that do not (or are not known to), and those before empty ones, and
break their last ties by the shorter patch and then the id, never by arrival (standing.py). Missing evidence is the
worst there is, and is named (missing.py). Each states its own rule and where it comes from.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ..evidence import EXISTING, FACTS, GENERATED, JUDGE, MACHINE, MATCHES, REPRODUCTION, SIGNALS, Strategy
from .bounds import oracle, random, shortest
from .combined import winnow, winnow_with
from .execution import execution, regression
from .filtering import agentless, trae
from .frequent import best_of_majority, self_consistency
from .judged import hybrid, judge
from .similarity import similarity
from .tournament import open_pairs, tournament
from .voting import codemonkeys, most_votes, top_shortlist

STRATEGIES: Mapping[str, Strategy] = {
    "winnow": winnow,
    "codemonkeys": codemonkeys,
    "votes": most_votes,
    "regression": regression,
    "execution": execution,
    "judge": judge,
    "hybrid": hybrid,
    "agentless": agentless,
    "trae": trae,
    "tournament": tournament,
    "best-of-majority": best_of_majority,
    "self-consistency": self_consistency,
    "similarity": similarity,
    "random": random,
    "shortest": shortest,
}

ALIASES: Mapping[str, str] = {"most-votes": "votes"}
"""Other names of strategies, as runs of earlier versions have them."""

BOUNDS = ("random", "shortest")
"""Strategies that look at no evidence: what the others should beat."""

USES: Mapping[str, tuple[str, ...]] = {
    "winnow": (GENERATED, EXISTING, REPRODUCTION, JUDGE, MATCHES, MACHINE, SIGNALS, FACTS),
    "codemonkeys": (GENERATED, EXISTING, MACHINE),
    "votes": (GENERATED, EXISTING),
    "regression": (EXISTING,),
    "execution": (EXISTING, GENERATED, REPRODUCTION),
    "judge": (JUDGE,),
    "hybrid": (JUDGE, EXISTING, GENERATED, REPRODUCTION),
    "agentless": (EXISTING, GENERATED, REPRODUCTION, FACTS),
    "trae": (EXISTING, MACHINE, FACTS),
    "tournament": (MATCHES, EXISTING, GENERATED, REPRODUCTION),
    "best-of-majority": (GENERATED, REPRODUCTION, FACTS, JUDGE, EXISTING),
    "self-consistency": (GENERATED, REPRODUCTION, FACTS),
    "similarity": (EXISTING, GENERATED, REPRODUCTION, FACTS, JUDGE),
    "random": (),
    "shortest": (),
}
"""The kinds of evidence that each strategy looks at: what it costs is what they cost."""

__all__ = [
    "ALIASES",
    "BOUNDS",
    "STRATEGIES",
    "USES",
    "codemonkeys",
    "most_votes",
    "open_pairs",
    "oracle",
    "strategy",
    "top_shortlist",
    "winnow_with",
]


def strategy(name: str) -> Strategy:
    """The strategy of this name. Raises ValueError, with the nearest name, where there is none."""
    known = ALIASES.get(name, name)
    if known in STRATEGIES:
        return STRATEGIES[known]
    near = difflib.get_close_matches(name, [*STRATEGIES, *ALIASES], 1, 0.0)
    raise ValueError(
        f"there is no strategy {name!r}; the nearest is {near[0]!r} (all: {', '.join(STRATEGIES)})"
    )
