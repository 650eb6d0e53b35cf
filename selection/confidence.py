"""How likely a candidate is to resolve the issue, from all the evidence there is: a plain sum of weighted features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .evidence import Evidence, Ranking
from .features import Features, features_of
from .weights import DEFAULT, Weights


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a candidate comes to. parts: (feature, what it adds to the log-odds, its phrase), the largest first."""

    log_odds: float
    probability: float
    parts: tuple[tuple[str, float, str], ...]


def weigh(evidence: Evidence, weights: Weights = DEFAULT) -> Mapping[str, Weighed]:
    """Every candidate by id. An empty patch, and one that is not known to apply, is weighed like the others."""
    return {name: _weighed(found, weights) for name, found in features_of(evidence).items()}


def _weighed(found: Features, weights: Weights) -> Weighed:
    parts = [
        (name, weights.features[name].weight * feature.value, feature.said)
        for name, feature in found.items()
        if name in weights.features and weights.features[name].weight
    ]
    log_odds = weights.intercept + sum(added for _, added, _ in parts)
    shown = sorted(parts, key=lambda part: (-abs(part[1]), part[0]))
    return Weighed(log_odds, weights.probability(log_odds), tuple(shown))


def with_confidence(
    ranking: Ranking, evidence: Evidence, weights: Weights = DEFAULT, least: float = 0.0
) -> Ranking:
    """The ranking with how sure it is; below `least` nothing is chosen, which is an answer too."""
    return ranking if ranking.chosen is None else sure_of(ranking, weigh(evidence, weights), least)


def sure_of(ranking: Ranking, weighed: Mapping[str, Weighed], least: float = 0.0) -> Ranking:
    """The same, of candidates that are weighed already: many rankings may be about one evidence."""
    if ranking.chosen is None:
        return ranking
    sure = weighed[ranking.chosen].probability
    if sure >= least:
        return replace(ranking, confidence=sure)
    why = f"Nothing is chosen: {ranking.chosen} is the best, but only {sure:.0%} sure, and {least:.0%} is asked for. "
    return replace(ranking, chosen=None, confidence=sure, why=why + ranking.why)


@dataclass(frozen=True, slots=True)
class Bin:
    """Choices of which was said to be this sure. said: their mean; right: how many of them were."""

    low: float
    high: float
    choices: int
    said: float
    right: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was said against what was so. brier: mean squared difference, 0 best; always 0.25 for saying one half."""

    choices: int
    brier: float
    bins: tuple[Bin, ...]


def reliability(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> Reliability | None:
    """The reliability figure's data from (probability said, whether it was right); None without any.

    Bins of equal width; empty ones are left out. Source: the reliability diagram of DeGroot and Fienberg (1983), and
    Brier's score (1950).
    """
    if not pairs:
        return None
    groups: dict[int, list[tuple[float, bool]]] = {}
    for said, right in sorted(pairs):
        groups.setdefault(min(int(said * bins), bins - 1), []).append((said, right))
    return Reliability(
        len(pairs),
        sum((said - right) ** 2 for said, right in pairs) / len(pairs),
        tuple(
            Bin(
                place / bins,
                (place + 1) / bins,
                len(group),
                sum(said for said, _ in group) / len(group),
                sum(right for _, right in group),
            )
            for place, group in sorted(groups.items())
        ),
    )
