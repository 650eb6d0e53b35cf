"""Where a trajectory's time went: the model's and the sandboxes' steps on one line each, breaks between them cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .turns import ASKS, Span

WIDTH = 1000.0
BREAK = 0.04
"""What a break (a killed run that was resumed later) is cut to, as a share of the time that steps took."""
THIN = 1.5
"""The least width of a bar: a quick step must be seen."""
MOST = 1_500
"""Bars that are drawn; of longer trajectories neighbours are drawn as one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """lane: 0 the model, 1 the sandboxes. x, width: of WIDTH. turn: that it belongs to."""

    lane: int
    x: float
    width: float
    turn: int
    said: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """seconds: from first to last without breaks. model, sandbox: what steps of each took one after the other.

    breaks: places (of WIDTH) where time was cut.
    """

    bars: tuple[Bar, ...]
    seconds: float
    model: float
    sandbox: float
    breaks: tuple[float, ...]


def timeline(spans: Sequence[Span]) -> Timeline | None:
    """None where nothing took time."""
    steps = [
        (step, span.number)
        for span in spans
        for step in span.steps
        if step.kind in (*ASKS, "run") and step.started
    ]
    if not steps:
        return None
    model = sum(step.seconds for step, _ in steps if step.kind in ASKS)
    sandbox = sum(step.seconds for step, _ in steps if step.kind == "run")
    cuts, length = _cuts([(step.started, step.started + step.seconds) for step, _ in steps])
    length = max(length, 1e-6)
    bars: list[Bar] = []
    thin = max(THIN, WIDTH / MOST)
    for step, turn in sorted(steps, key=lambda pair: pair[0].started):
        x = WIDTH * _at(step.started, cuts) / length
        width = max(thin, WIDTH * step.seconds / length)
        lane = 0 if step.kind in ASKS else 1
        said = f"turn {turn}: {step.key.branch}, {step.seconds:.2f} s"
        bars.append(Bar(lane, round(min(x, WIDTH - thin), 2), round(width, 2), turn, said))
    places = tuple(round(WIDTH * _at(end, cuts) / length, 2) for start, end, cut in cuts if cut)
    return Timeline(_few(bars), length, model, sandbox, places)


def _few(bars: list[Bar]) -> tuple[Bar, ...]:
    """One bar for each place and lane, where there are too many to be told apart."""
    if len(bars) <= MOST:
        return tuple(bars)
    kept: dict[tuple[int, int], Bar] = {}
    for bar in bars:
        place = (bar.lane, int(bar.x * MOST / 2 / WIDTH))
        if place not in kept or kept[place].width < bar.width:
            kept[place] = bar
    return tuple(kept.values())


def _cuts(intervals: list[tuple[float, float]]) -> tuple[list[tuple[float, float, float]], float]:
    """Breaks as (start, end, seconds cut), and the length without what was cut."""
    intervals.sort()
    busy = 0.0
    gaps = []
    end = intervals[0][0]
    for start, stop in intervals:
        if start > end:
            gaps.append((end, start))
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    most = max(1.0, BREAK * busy)
    cuts = [(start, stop, stop - start - most) for start, stop in gaps if stop - start > 2 * most]
    first = intervals[0][0]
    cuts.insert(0, (first, first, 0.0))  # where it begins
    return cuts, end - first - sum(cut for _, _, cut in cuts)


def _at(moment: float, cuts: list[tuple[float, float, float]]) -> float:
    """Seconds from the beginning to a moment, what was cut before it left out."""
    return moment - cuts[0][0] - sum(cut for _, end, cut in cuts if moment >= end)
