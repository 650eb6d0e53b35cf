"""Winnow's own strategy: all the evidence there is, weighted and added up, so that anybody can check the sum. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent import Candidate

from ..confidence import weigh
from ..evidence import KINDS, Evidence, Ranking, Strategy
from ..weights import DEFAULT, Weights
from .ranking import Criterion, by_criteria

_SAID = 4
"""How many contributions the reasons name: the largest."""


def winnow_with(weights: Weights) -> Strategy:
    """The strategy with these weights: the highest log-odds of resolving the issue first.

    Nothing is a gate but that a patch applies: a test that breaks counts against a candidate, and does not forbid it,
    since fixes do break tests that were wrong. Whether the best is good enough is what `--min-confidence` asks.
    """

    def rank(evidence: Evidence) -> Ranking:
        weighed = weigh(evidence, weights)

        def criteria(candidate: Candidate) -> Sequence[Criterion]:
            found = weighed[candidate.id]
            parts = [f"{added:+.2f} {said}" for _, added, said in found.parts[:_SAID]]
            said = f"log-odds {found.log_odds:+.2f}: {weights.intercept:+.2f} at first"
            return [Criterion("log-odds", found.log_odds, ", ".join([said, *parts]))]

        return by_criteria(evidence, criteria, KINDS)

    return rank


winnow = winnow_with(DEFAULT)
