"""Intervals by the bootstrap over issues: issues are drawn with replacement, what was seen of each stays as it is.

The percentile method of Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. It knows nothing
of what no issue showed: where all issues agree, the interval has no width.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2000
"""Enough for two digits of a 95 % interval (Efron and Tibshirani, section 14.5: 1,000 or more for percentiles)."""
SEED = 20210707
"""Any number, the same each time: a report printed twice says the same. (The day that Chen et al. appeared.)"""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def resampled_means(rows: Sequence[Sequence[float]], times: int, seed: int) -> list[list[float]]:
    """The means of each column of `rows` (one row an issue) in `times` resamples of the rows: times x columns.

    Equal rows are added up at once: of ten attempts each, there are some twenty kinds of issues however many there
    are. The rows' order does not matter. rows must not be empty.
    """
    kinds = Counter(tuple(row) for row in rows)
    order = sorted(kinds)
    columns = list(zip(*order, strict=True))
    drawn_from = [place for place, kind in enumerate(order) for _ in range(kinds[kind])]
    chance = random.Random(seed)
    many = len(rows)
    means = []
    for _ in range(times):
        drawn = Counter(chance.choices(drawn_from, k=many))
        places, weights = list(drawn), list(drawn.values())
        means.append(
            [
                sum(column[place] * weight for place, weight in zip(places, weights, strict=True)) / many
                for column in columns
            ]
        )
    return means


def estimate(value: float, samples: Sequence[float]) -> Estimate:
    """The value with the interval that its resamples span; without resamples the value alone."""
    low, high = interval(samples) if samples else (value, value)
    return Estimate(value, low, high)


def interval(samples: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of the samples (percentiles, between neighbours by straight lines)."""
    ordered = sorted(samples)
    outside = (1 - level) / 2
    return _quantile(ordered, outside), _quantile(ordered, 1 - outside)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
