"""A run's report as one document: Markdown, or HTML that needs nothing else and asks nobody for anything."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from environments.shown_text import visible

from ..figures import Figures
from ..figures_bootstrap import Estimate
from ..figures_summary import Summary
from ..figures_tables import Table
from ..markdown_text import markdown_text
from .data import Figure
from .draw import drawn

NAMED = 20
"""Attempts that a list of a document names; `--csv` names all."""


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with rows of cells under it, all of them text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def markdown(summary: Summary, figures: Sequence[Figure], pictures: Mapping[str, str]) -> str:
    """pictures: by a figure's name, where its picture lies as seen from the document; those without are tables only."""
    return visible(
        _environment(html=False)
        .get_template("report.md.j2")
        .render(summary=summary, parts=parts(summary), figures=figures, pictures=pictures, cells=_cells)
    )


def html(summary: Summary, figures: Sequence[Figure]) -> str:
    """With every picture in it."""
    pictures = {
        figure.name: "data:image/svg+xml;base64," + base64.b64encode(drawn(figure, "svg")).decode()
        for figure in figures
        if not figure.missing
    }
    return visible(
        _environment(html=True)
        .get_template("report.html.j2")
        .render(summary=summary, parts=parts(summary), figures=figures, pictures=pictures, cells=_cells)
    )


def relative(picture: Path, document: Path) -> str:
    """Where a picture lies as seen from a document, with slashes."""
    from os.path import relpath

    return Path(relpath(picture.resolve(), document.resolve().parent)).as_posix()


def parts(summary: Summary) -> Iterator[Part]:
    """The summary as tables, those that are empty left out."""
    found = [
        Part("Figures", ("figure", "value", "95 % interval"), tuple(_figures(summary.figures, "")))
        if summary.figures
        else None,
        Part(
            "By published outcomes (third parties' claims)",
            ("figure", "value", "95 % interval"),
            tuple(_figures(summary.published, "")),
        )
        if summary.published
        else None,
        _rows("Choices", ("strategy", "issues with a choice", "resolved", "no verdict"), [
            (c.strategy, c.chosen, c.resolved, c.ungraded) for c in summary.choices
        ]),
        _rows("Verdicts", ("verdict", "attempts"), list(summary.verdicts.items())),
        _rows("Endings of attempts", ("ending", "whose doing", "attempts", "with a patch", "resolved"), [
            (e.ending, e.fault, e.attempts, e.with_patch, e.resolved) for e in summary.endings
        ]),
        _rows("Endings of issues", ("ending", "issues"), [
            (ending, len(tasks)) for ending, tasks in summary.issue_endings.items()
        ]),
        _rows("Models", ("model", "candidates", "resolved", "calls", "tokens", "USD"), [
            (m.name, m.candidates, m.resolved, m.calls, m.prompt_tokens + m.completion_tokens, f"{m.cost:.4f}")
            for m in summary.minds
        ]),
        _rows("What it took", ("what", "how much"), list(_took(summary))),
        _rows("To look at", ("what", "where"), list(_warnings(summary))),
    ]  # fmt: skip
    return (part for part in found if part is not None)


def _rows(title: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Part | None:
    return Part(title, columns, tuple(tuple(_cell(value) for value in row) for row in rows)) if rows else None


def _figures(found: Figures, prefix: str) -> Iterator[tuple[str, ...]]:
    for name, estimate in (
        ("resolved", found.resolved),
        ("coverage (any candidate)", found.coverage),
        ("selection efficiency (resolved / coverage)", found.efficiency),
    ):
        if estimate is not None:
            yield prefix + name, *_estimate(estimate)
    for at in found.passes:
        yield f"{prefix}pass@{at.k}", *_estimate(at.estimate)


def _estimate(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}"


def _took(summary: Summary) -> Iterator[tuple[str, Any]]:
    money = summary.money
    yield "model calls", f"{money.calls:,}"
    yield "prompt tokens", f"{money.prompt_tokens:,}"
    if money.cached is not None:
        yield "of them from a cache", f"{money.cached:.0%}"
    yield "completion tokens", f"{money.completion_tokens:,}"
    yield "executions", f"{money.executions:,}"
    yield (
        "USD",
        f"{money.cost:.4f}" + (f", and {money.unpriced} calls of no known price" * bool(money.unpriced)),
    )
    if money.per_resolved is not None:
        yield "USD for each resolved issue", f"{money.per_resolved:.4f}"
    yield "seconds, from the first step to the last", f"{summary.time.wall:.0f}"


def _warnings(summary: Summary) -> Iterator[tuple[str, str]]:
    for what, named in (
        ("verdicts that changes to test machinery decide", summary.decided_by_machinery),
        ("attempts with flaky tests", summary.flaky),
        ("issues whose sandboxes had network", summary.network),
        *((f"issues whose builds reached {host}", found) for host, found in summary.reached.items()),
        *((f"audit: {flag}", found) for flag, found in summary.flags.items()),
    ):
        if named:
            more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
            yield what, ", ".join(named[:NAMED]) + more


def _cells(table: Table) -> list[list[str]]:
    return [[_cell(value) for value in row] for row in table.rows]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _environment(*, html: bool) -> Environment:
    made = Environment(
        loader=PackageLoader("winnow", "plots/templates"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["cell"] = markdown_text
    return made
