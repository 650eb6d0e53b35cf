"""The figures of a run as tables (CSV) and as one JSON object.

Shares are between 0 and 1, money in USD, time in seconds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from environments import json_text, visible

from .figures import Figures
from .figures_bootstrap import Estimate
from .figures_gather import Attempt, Facts
from .figures_summary import Summary


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the name of its file without ending, its columns, its rows."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def as_json(facts: Facts, summary: Summary) -> str:
    """Everything as one JSON object: the summary, and under "per_issue" and "per_attempt" the rows of these tables."""
    body = asdict(summary)
    for table in (_issues(facts), _attempts(facts)):
        body["per_" + table.name[:-1]] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return json_text(body, indent=2) + "\n"


def write_csv(facts: Facts, summary: Summary, folder: Path) -> list[Path]:
    """Write every table into `folder`, which is made where it is missing; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in csv_texts(facts, summary).items():
        path = folder / name
        path.write_text(text, encoding="utf-8", newline="")
        written.append(path)
    return written


def csv_texts(facts: Facts, summary: Summary) -> dict[str, str]:
    """Every table as CSV, by file name, fit to be shown."""
    texts = {}
    for table in tables(facts, summary):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)
        texts[f"{table.name}.csv"] = visible(text.getvalue())
    return texts


def tables(facts: Facts, summary: Summary) -> Iterator[Table]:
    """figures, pass_at_k, issues, attempts, endings, candidates, choices, models."""
    yield _figures(summary)
    yield _passes(summary)
    yield _issues(facts)
    yield _attempts(facts)
    for name, rows in (
        ("endings", summary.endings),
        ("candidates", summary.members),
        ("choices", summary.choices),
        ("models", summary.minds),
    ):
        columns = tuple(field.name for field in fields(rows[0])) if rows else ("none",)
        yield Table(name, columns, [tuple(asdict(row).values()) for row in rows])


def _figures(summary: Summary) -> Table:
    """One figure a row: graded by whom, its name, value and 95 % interval (empty where it has none)."""
    rows: list[tuple[Any, ...]] = []
    for by, found in (("winnow", summary.figures), ("published", summary.published)):
        if found is not None:
            rows += [(by, name, *values) for name, values in _estimates(found)]
    rows += [("", f"money {name}", value, "", "") for name, value in asdict(summary.money).items()]
    rows += [("", f"seconds {name}", value, "", "") for name, value in asdict(summary.time).items()]
    rows += [("", f"attempts {name}", value, "", "") for name, value in asdict(summary.attempts).items()]
    return Table("figures", ("graded_by", "figure", "value", "low", "high"), rows)


def _estimates(found: Figures) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "issues", (found.issues, "", "")
    for name in ("resolved", "coverage", "efficiency"):
        if (estimate := getattr(found, name)) is not None:
            yield name, _numbers(estimate)
    if found.law is not None:
        yield "law a", _numbers(found.law.a)
        yield "law b", _numbers(found.law.b)
        for k, estimate in found.law.ahead:
            yield f"law at {k}", _numbers(estimate)


def _passes(summary: Summary) -> Table:
    rows = [
        (by, at.k, *_numbers(at.estimate), at.fewer)
        for by, found in (("winnow", summary.figures), ("published", summary.published))
        if found is not None
        for at in found.passes
    ]
    return Table("pass_at_k", ("graded_by", "k", "value", "low", "high", "issues_with_fewer"), rows)


def _issues(facts: Facts) -> Table:
    rows = []
    for issue in facts.issues:
        counts = issue.counts(facts.strategy)
        rows.append(
            (
                issue.task,
                len(issue.attempts),
                counts.graded,
                counts.right,
                issue.chosen.get(facts.strategy),
                counts.chosen,
                issue.spent.asks,
                issue.spent.runs,
                issue.spent.prompt_tokens,
                issue.spent.cached_tokens,
                issue.spent.completion_tokens,
                issue.spent.cost,
                issue.spent.unpriced,
                issue.ended - issue.began,
                issue.network,
            )
        )
    columns = (
        "task attempts graded right chosen chosen_resolves calls executions prompt_tokens cached_tokens "
        "completion_tokens cost unpriced seconds network"
    )
    return Table("issues", tuple(columns.split()), rows)


def _attempts(facts: Facts) -> Table:
    columns = (
        "task candidate ending own_doing empty verdict resolved resolved_without_machinery flaky published chosen "
        "flags patch_sha256 reason"
    )
    rows = [
        _attempt_row(attempt, issue.chosen.get(facts.strategy))
        for issue in facts.issues
        for attempt in issue.attempts
    ]
    return Table("attempts", tuple(columns.split()), rows)


def _attempt_row(attempt: Attempt, chosen: str | None) -> tuple[Any, ...]:
    graded = bool(attempt.verdict)
    return (
        attempt.task,
        attempt.name,
        attempt.ending,
        attempt.is_result,
        attempt.empty,
        attempt.verdict or None,
        attempt.resolved if graded else None,
        attempt.strict if graded else None,
        attempt.flaky,
        attempt.published,
        attempt.name == chosen,
        "; ".join(attempt.flags),
        attempt.patch,
        attempt.reason,
    )


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
