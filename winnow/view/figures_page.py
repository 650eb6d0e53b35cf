"""A run's figures: resolved, coverage, what strategies chose, and the curve of coverage over attempts with its law."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..figures import Figures
from ..figures_gather import gather
from ..figures_summary import Summary, summarize
from .memory import Memory

EVERY = 15.0
"""Seconds for which figures of a run at work are good: they take some."""
CURVE = 60
"""Points of the law's curve."""


@dataclass(frozen=True, slots=True)
class FiguresPage:
    """summary: as `winnow report` has it. curve: what the chart draws, None where nothing is graded."""

    summary: Summary
    curve: dict[str, list[float | None]] | None


def figures_page(memory: Memory, run: str) -> FiguresPage:
    """Raises NoSuchRun."""
    run = memory.reader.run(run).run
    return memory.of(("figures", run), lambda: _figures(memory, run), at_least=EVERY)


def _figures(memory: Memory, run: str) -> FiguresPage:
    summary = summarize(gather(memory.reader, run))  # type: ignore[arg-type]
    return FiguresPage(summary, _curve(summary.figures) if summary.figures else None)


def _curve(figures: Figures) -> dict[str, list[float | None]] | None:
    """pass@k with its interval, and the law to twice the most attempts; None where there is but one point."""
    if len(figures.passes) < 2:
        return None
    seen = {float(at.k): at.estimate for at in figures.passes}
    most = max(seen)
    ks = sorted({*seen, *(_between(1.0, 2 * most) if figures.law else ())})

    def law(k: float) -> float | None:
        return math.exp(figures.law.a.value * k**figures.law.b.value) if figures.law else None

    return {
        "k": list(ks),
        "low": [seen[k].low if k in seen else None for k in ks],
        "high": [seen[k].high if k in seen else None for k in ks],
        "value": [seen[k].value if k in seen else None for k in ks],
        "law": [law(k) for k in ks],
    }


def _between(low: float, high: float) -> list[float]:
    return [low * (high / low) ** (step / (CURVE - 1)) for step in range(CURVE)]
