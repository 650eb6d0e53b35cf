"""The tables: medians and quartiles of every arm, ratios to the floor and to Winnow overlay, and the goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from .arms import ARMS, About
from .limits import LEFT_OUT
from .measures import measure
from .measures.figure import Figure, Goal
from .workload import Size

Figures = Mapping[str, Mapping[str, list[float] | str]]
"""figure -> arm -> samples, or why there are none: what one measure gave."""

Results = Mapping[str, Figures]
"""measure -> figures"""


class Report:
    """Prints to one file, at once. arms: the columns and rows. size: of the run, which titles name."""

    def __init__(self, file: TextIO, arms: Sequence[About], size: Size, *, markdown: bool = False) -> None:
        self._arms, self._size, self._markdown = arms, size, markdown
        self._console = Console(file=file)
        if markdown or not self._console.is_terminal:
            self._console = Console(file=file, width=400 if markdown else 180)

    def measure(self, name: str, figures: Figures) -> None:
        """A table for each figure of a measure."""
        for key, figure in measure(name).FIGURES.items():
            self._show(self._figure_table(figure, figures.get(key, {})))

    def goals(self, results: Results) -> None:
        """Which goals are met, of those whose figures were measured."""
        table = self._goals_table(results)
        if table.row_count:
            self._show(table)

    def document(self, results: Results) -> None:
        """All figures side by side, and the goals."""
        self._show(self._medians_table(results))
        self._show(self._ratios_table(results))
        self._show(self._goals_table(results))

    def _show(self, table: Table) -> None:
        self._console.print(table)
        self._console.print()

    def _empty_table(self, title: str) -> Table:
        box = MARKDOWN if self._markdown else None
        return Table(title=title, title_justify="left", box=box, pad_edge=self._markdown)

    def _figure_table(self, figure: Figure, samples: Mapping[str, list[float] | str]) -> Table:
        """One figure, all arms below each other."""
        table = self._empty_table(figure.title(self._size))
        table.add_column("arm")
        unit = f"median {figure.unit}".strip()
        for head in (unit, "quartiles", "of the floor", "of Winnow overlay", "samples"):
            table.add_column(head, justify="right")
        medians = {arm: median(values, figure) for arm, values in samples.items()}
        for about in self._arms:
            values, middle = samples.get(about.name), medians.get(about.name)
            if middle is None:
                table.add_row(about.title, _absence(values), "", "", "", "")
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

    def _medians_table(self, results: Results) -> Table:
        """All figures, all arms side by side."""
        table = self._table_of_arms("Medians")
        for figure, medians in _medians(results):
            unit = f" ({figure.unit})" if figure.unit else ""
            row = (medians.get(about.name) for about in self._arms)
            cells = ["" if middle is None else number(middle) for middle in row]
            table.add_row(figure.title(self._size) + unit, *cells)
        return table

    def _ratios_table(self, results: Results) -> Table:
        """The same, each as so many times Winnow overlay's."""
        table = self._table_of_arms("Of Winnow overlay")
        for figure, medians in _medians(results):
            overlay = medians.get("overlay")
            cells = (_ratio(medians.get(about.name), overlay) for about in self._arms)
            table.add_row(figure.title(self._size), *cells)
        return table

    def _table_of_arms(self, title: str) -> Table:
        table = self._empty_table(title)
        table.add_column("")
        for about in self._arms:
            table.add_column(about.title, justify="right")
        return table

    def _goals_table(self, results: Results) -> Table:
        table = self._empty_table("Goals")
        for head in ("what", "arm", "goal", "measured", ""):
            table.add_column(head)
        for name, figures in results.items():
            for goal in measure(name).GOALS:
                if row := self._goal_row(
                    goal, measure(name).FIGURES[goal.figure], figures.get(goal.figure, {})
                ):
                    table.add_row(*row)
        return table

    def _goal_row(
        self, goal: Goal, figure: Figure, samples: Mapping[str, list[float] | str]
    ) -> tuple[str, ...] | None:
        """None: what the goal is about was not measured."""
        titles = {about.name: about.title for about in ARMS}
        measured = median(samples.get(goal.arm), figure)
        reference = median(samples.get(goal.of), figure) if goal.of else None
        if measured is None or (goal.of and reference is None):
            return None
        limit, limit_text = goal.limit, f"{number(goal.limit)} {figure.unit}"
        measured_text = f"{number(measured)} {figure.unit}"
        if reference is not None:
            limit, limit_text = goal.limit * reference, f"{goal.limit:g} x {titles[goal.of]}"
            measured_text += f" ({_ratio(measured, reference)})"
        verdict = "met" if measured <= limit else f"missed, {measured / limit:.2f} of the goal"
        return figure.title(self._size), titles[goal.arm], limit_text, measured_text, verdict


def _medians(results: Results) -> Iterator[tuple[Figure, dict[str, float | None]]]:
    for name, figures in results.items():
        for key, figure in measure(name).FIGURES.items():
            samples = figures.get(key, {})
            yield figure, {arm: median(values, figure) for arm, values in samples.items()}


def _absence(reason: str | None) -> str:
    """What stands in place of a median."""
    if reason == LEFT_OUT:
        return reason
    return f"not measured: {reason}" if reason else "not measured"


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


def _ratio(value: float | None, reference: float | None) -> str:
    return f"{number(value / reference)} x" if value is not None and reference else ""
