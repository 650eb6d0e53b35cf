"""Figures of a graded run: resolved, coverage, selection efficiency, pass@k, each with an interval. Pure functions.

An issue with n graded attempts, c of them right, is all that they need; nothing here reads a store or a clock.
Sources: pass@k by Chen et al., "Evaluating Large Language Models Trained on Code" (2021), section 2.1; coverage and its
law by Brown et al., "Large Language Monkeys" (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .figures_bootstrap import RESAMPLES, SEED, Estimate, estimate, resampled_means
from .figures_law import Fitted, fitted

LACKING = 0.02
"""Share of the issues that may lack attempts at a k that the coverage law is fitted to: a run's few lost attempts."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the grades say of one issue.

    graded: attempts with a verdict (n). right: those that resolve the issue (c), 0 <= c <= n. chosen: whether the
    chosen one does; None where nothing was chosen yet or its verdict is missing.
    """

    graded: int
    right: int
    chosen: bool | None = None


@dataclass(frozen=True, slots=True)
class PassAt:
    """pass@k over a run's issues. fewer: of `issues`, those with less than k graded attempts: all of theirs count."""

    k: int
    estimate: Estimate
    fewer: int
    issues: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures over a run's issues. Shares are between 0 and 1.

    resolved: issues whose chosen patch resolves them; None where no issue has a choice with a verdict. coverage: issues
    that any attempt resolves. efficiency: resolved / coverage, None where either is missing. law: None where fewer than
    three values of pass@k, lower bounds left out, tell anything of it.
    """

    issues: int
    resolved: Estimate | None
    coverage: Estimate
    efficiency: Estimate | None
    passes: tuple[PassAt, ...]
    law: Fitted | None


def pass_at_k(graded: int, right: int, k: int) -> float:
    """The chance that k attempts drawn from `graded` without replacement hold one of the `right` ones.

    Unbiased for 1 - (1 - p)^k: 1 - C(n-c, k) / C(n, k), as a product, for large n without factorials. Raises ValueError
    unless 0 <= right <= graded and 1 <= k <= graded.
    """
    if not (0 <= right <= graded and 1 <= k <= graded):
        raise ValueError(f"pass@{k} of {right} right ones among {graded} is not defined")
    if graded - right < k:
        return 1.0
    missed = 1.0
    for n in range(graded - right + 1, graded + 1):
        missed *= 1.0 - k / n
    return 1.0 - missed


def at_most_pass_at_k(counts: Counts, k: int) -> float:
    """pass@k of one issue; where it has fewer than k attempts, of all that it has, which is a lower bound."""
    return pass_at_k(counts.graded, counts.right, min(k, counts.graded)) if counts.graded else 0.0


def shown_ks(most: int) -> tuple[int, ...]:
    """The values of k that are worth showing: each up to 10, then about six to a doubling, and `most` itself."""
    ks = list(range(1, min(most, 10) + 1))
    while ks and ks[-1] < most:
        ks.append(min(most, max(ks[-1] + 1, round(ks[-1] * 1.12))))
    return tuple(ks)


def figures(issues: Sequence[Counts], *, resamples: int = RESAMPLES, seed: int = SEED) -> Figures | None:
    """The figures over all of `issues`, with 95 % intervals by bootstrap over issues; None where there is no issue.

    Issues whose choice has no verdict count as not resolved, those without a graded attempt as not covered. The order
    of the issues does not matter.
    """
    if not issues:
        return None
    ks = shown_ks(max(issue.graded for issue in issues))
    rows = [
        (float(bool(i.chosen)), float(i.right > 0), *(at_most_pass_at_k(i, k) for k in ks)) for i in issues
    ]
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    samples = resampled_means(rows, resamples, seed)
    columns = list(zip(*samples, strict=True))
    chosen = any(issue.chosen is not None for issue in issues)
    passes = tuple(
        PassAt(
            k, estimate(means[2 + place], columns[2 + place]), sum(i.graded < k for i in issues), len(issues)
        )
        for place, k in enumerate(ks)
    )
    return Figures(
        issues=len(issues),
        resolved=estimate(means[0], columns[0]) if chosen else None,
        coverage=estimate(means[1], columns[1]),
        efficiency=_ratio(means, samples) if chosen and means[1] else None,
        passes=passes,
        law=_law(passes, means[2:], samples),
    )


def _law(
    passes: Sequence[PassAt], means: Sequence[float], samples: Sequence[Sequence[float]]
) -> Fitted | None:
    """The law of those pass@k that are no lower bounds: nearly as many issues have k attempts as have any."""
    many = [at.k for at in passes if (at.fewer - passes[0].fewer) <= LACKING * at.issues]
    return fitted(many, means[: len(many)], [sample[2 : 2 + len(many)] for sample in samples])


def _ratio(means: Sequence[float], samples: Sequence[Sequence[float]]) -> Estimate:
    """Resolved / coverage. Resamples that cover nothing have no ratio and are left out."""
    return estimate(means[0] / means[1], [sample[0] / sample[1] for sample in samples if sample[1]])
