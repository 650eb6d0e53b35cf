"""Answers that come up often: self-consistency, and the best of the frequent ones. Duplicates are votes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent import Candidate

from ..agreement import behaviours, programs
from ..evidence import EXISTING, FACTS, GENERATED, JUDGE, REPRODUCTION, Evidence, Ranking
from .criteria import judge_criterion, regression_criterion, reproduction_criterion
from .ranking import Criterion, by_criteria
from .standing import applying

FREQUENT = 2
"""Candidates of one answer that make it frequent. Best-of-Majority's threshold is a share of very many samples; of ten,
an answer that two came to independently is the least that can be called frequent."""


def self_consistency(evidence: Evidence) -> Ranking:
    """The answer that most candidates came to: the largest cluster of one behaviour over all tests.

    Where nothing was run, an answer is a program (normalised patch). Source: Wang et al., "Self-Consistency" (2022).
    """
    sizes = _sizes(evidence)
    return by_criteria(evidence, lambda c: [_agreement(sizes[c.id])], (GENERATED, REPRODUCTION, FACTS))


def best_of_majority(evidence: Evidence) -> Ranking:
    """Of the frequent answers (of all, where none is frequent) the one with the best score.

    The score is the judge's; then the regression rate and the reproduction score, for ties and where nobody judged.
    Source: "Best-of-Majority" (2025), which keeps frequent answers and takes the highest reward among them.
    """
    sizes = _sizes(evidence)
    frequent = {c.id for c in applying(evidence) if sizes[c.id] >= FREQUENT}

    def criteria(candidate: Candidate) -> Sequence[Criterion]:
        return [
            Criterion("frequent answers", float(not frequent or candidate.id in frequent)),
            judge_criterion(candidate.id, evidence),
            regression_criterion(candidate.id, evidence),
            reproduction_criterion(candidate.id, evidence),
            _agreement(sizes[candidate.id]),
        ]

    return by_criteria(evidence, criteria, (GENERATED, REPRODUCTION, FACTS, JUDGE, EXISTING))


def _sizes(evidence: Evidence) -> Mapping[str, int]:
    fit = [candidate.id for candidate in applying(evidence)]
    found = behaviours if evidence.tests or evidence.reproductions else programs
    return found(evidence, fit)


def _agreement(size: int) -> Criterion:
    said = f"{size} candidates came to this answer" if size > 1 else "nobody else came to this answer"
    return Criterion(
        "candidates that agree", size, said if size else "not run everywhere, so it agrees with nobody"
    )
