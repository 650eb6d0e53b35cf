"""The tables: medians and quartiles of every arm side by side, with ratios to the floor and to the goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from .arms import ARMS, About
from .measures import measure
from .measures.figure import Figure

Found = Mapping[str, Mapping[str, Mapping[str, list[float] | str]]]
"""measure -> figure -> arm -> samples, or why there are none."""


def show(found: Found, arms: Sequence[About], *, markdown: bool = False) -> None:
    """Print a table for each figure, then all medians, their ratios to Winnow overlay's, and the goals.

    markdown: for a document, and without the tables of single figures.
    """
    console = Console()
    if markdown or not console.is_terminal:
        console = Console(width=400 if markdown else 180)
    if not markdown:
        for name, figures in found.items():
            for key, figure in measure(name).FIGURES.items():
                console.print(_table(figure, figures.get(key, {}), arms))
                console.print()
    console.print(_medians(found, arms, markdown))
    console.print()
    console.print(_ratios(found, arms, markdown))
    console.print()
    console.print(_goals(found, markdown))


def _table(figure: Figure, samples: Mapping[str, list[float] | str], arms: Sequence[About]) -> Table:
    """One figure, all arms below each other."""
    table = _empty(figure.title, False)
    table.add_column("arm")
    for head in (
        f"median {figure.unit}".strip(),
        "quartiles",
        "of the floor",
        "of Winnow overlay",
        "samples",
    ):
        table.add_column(head, justify="right")
    medians = {arm: median(values, figure) for arm, values in samples.items()}
    for about in arms:
        values, middle = samples.get(about.name), medians.get(about.name)
        if middle is None:
            table.add_row(about.title, f"not run: {values}" if values else "not run", "", "", "", "")
            continue
        low, high = quartiles(values, figure)
        table.add_row(
            about.title,
            number(middle),
            f"{number(low)} to {number(high)}",
            _ratio(middle, medians.get("plain")),
            _ratio(middle, medians.get("overlay")),
            str(len(values)),
        )
    return table


def _medians(found: Found, arms: Sequence[About], markdown: bool) -> Table:
    """All figures, all arms side by side."""
    table = _empty("Medians", markdown)
    table.add_column("")
    for about in arms:
        table.add_column(about.title, justify="right")
    for title, figure, medians in _each(found):
        unit = f" ({figure.unit})" if figure.unit else ""
        cells = [number(middle) if (middle := medians.get(about.name)) is not None else "" for about in arms]
        table.add_row(title + unit, *cells)
    return table


def _ratios(found: Found, arms: Sequence[About], markdown: bool) -> Table:
    """The same, each as so many times Winnow overlay's."""
    table = _empty("Of Winnow overlay", markdown)
    table.add_column("")
    for about in arms:
        table.add_column(about.title, justify="right")
    for title, _figure, medians in _each(found):
        ours = medians.get("overlay")
        table.add_row(title, *(_ratio(medians.get(about.name), ours) for about in arms))
    return table


def _each(found: Found) -> Iterator[tuple[str, Figure, dict[str, float | None]]]:
    for name, figures in found.items():
        for key, figure in measure(name).FIGURES.items():
            samples = figures.get(key, {})
            yield figure.title, figure, {arm: median(values, figure) for arm, values in samples.items()}


def _empty(title: str, markdown: bool) -> Table:
    return Table(title=title, title_justify="left", box=MARKDOWN if markdown else None, pad_edge=markdown)


def _goals(found: Found, markdown: bool) -> Table:
    table = _empty("Goals", markdown)
    for head in ("what", "arm", "goal", "measured", ""):
        table.add_column(head)
    titles = {about.name: about.title for about in ARMS}
    for name, figures in found.items():
        what = measure(name)
        for goal in what.GOALS:
            figure = what.FIGURES[goal.figure]
            samples = figures.get(goal.figure, {})
            middle = median(samples.get(goal.arm), figure)
            beside = median(samples.get(goal.of), figure) if goal.of else None
            if middle is None or (goal.of and beside is None):
                continue
            limit = goal.limit * beside if goal.of else goal.limit
            said = f"{goal.limit:g} x {titles[goal.of]}" if goal.of else f"{number(goal.limit)} {figure.unit}"
            seen = f"{number(middle)} {figure.unit}" + (f" ({_ratio(middle, beside)})" if goal.of else "")
            met = "met" if middle <= limit else f"missed, {middle / limit:.2f} of the goal"
            table.add_row(figure.title, titles[goal.arm], said, seen, met)
    return table


def median(values: list[float] | str | None, figure: Figure) -> float | None:
    return statistics.median(values) * figure.scale if values and not isinstance(values, str) else None


def quartiles(values: list[float], figure: Figure) -> tuple[float, float]:
    if len(values) < 2:
        return values[0] * figure.scale, values[0] * figure.scale
    low, _middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low * figure.scale, high * figure.scale


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(value: float | None, beside: float | None) -> str:
    return f"{number(value / beside)} x" if value is not None and beside else ""
