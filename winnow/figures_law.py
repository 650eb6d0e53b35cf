"""The coverage law: coverage(k) = exp(a * k^b) with a, b < 0, an exponentiated power law.

Brown et al., "Large Language Monkeys: Scaling Inference Compute with Repeated Sampling" (2024), section 3: the
logarithm of coverage is a power of the number of samples. Fitted where that is a straight line, log(-log coverage)
over log k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .figures_bootstrap import Estimate, estimate

FEWEST = 3
"""Points that a fit needs: two give a line that fits whatever they are."""


@dataclass(frozen=True, slots=True)
class Law:
    """coverage(k) = exp(a * k^b)."""

    a: float
    b: float

    def at(self, k: float) -> float:
        return math.exp(self.a * k**self.b)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The law with intervals. worst: the largest distance between law and pass@k at a fitted k (a share).

    ahead: (k, coverage) beyond what was tried: an extrapolation, and no better than the law is true.
    """

    a: Estimate
    b: Estimate
    worst: float
    ahead: tuple[tuple[int, Estimate], ...]


def fit_law(ks: Sequence[int], coverage: Sequence[float]) -> Law | None:
    """Least squares through (log k, log(-log coverage)). None where fewer than three points lie between 0 and 1."""
    points = [(math.log(k), math.log(-math.log(c))) for k, c in zip(ks, coverage, strict=True) if 0 < c < 1]
    if len(points) < FEWEST:
        return None
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    b = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    return Law(-math.exp(y_mean - b * x_mean), b)


def fitted(ks: Sequence[int], coverage: Sequence[float], samples: Sequence[Sequence[float]]) -> Fitted | None:
    """The law of pass@k at `ks`, with intervals from the law of each resample (resamples x ks); None as `fit_law`.

    Resamples whose law cannot be fitted are left out. ahead: at twice and at ten times the most attempts.
    """
    law = fit_law(ks, coverage)
    if law is None:
        return None
    laws = [other for sample in samples if (other := fit_law(ks, sample))]
    return Fitted(
        a=estimate(law.a, [other.a for other in laws]),
        b=estimate(law.b, [other.b for other in laws]),
        worst=max(abs(law.at(k) - c) for k, c in zip(ks, coverage, strict=True)),
        ahead=tuple(
            (k, estimate(law.at(k), [other.at(k) for other in laws])) for k in (2 * ks[-1], 10 * ks[-1])
        ),
    )
