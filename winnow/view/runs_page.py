"""The first page: all runs of a store, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from store import RunRow, Totals

from ..attempts import model_of
from .board import config_of
from .memory import Memory, total
from .paging import page_asked

PAGE = 50


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run. status: "interrupted" too where its process was killed. seconds: None while nobody knows its end."""

    run: str
    kind: str
    status: str
    started: float
    seconds: float | None
    model: str
    preset: str
    issues: int
    spent: Totals


@dataclass(frozen=True, slots=True)
class RunsPage:
    """runs: of this page. search: words in a run's id, kind, status, model or preset."""

    runs: tuple[RunLine, ...]
    search: str
    found: int
    page: int
    pages: int

    def query(self, page: int) -> str:
        """The URL's query for another page of this."""
        return "?" + urlencode({"q": self.search, "page": page} if self.search else {"page": page})


def runs_page(memory: Memory, query: Mapping[str, str]) -> RunsPage:
    """What the URL asks for."""
    search = query.get("q", "").strip()[:200]
    words = search.lower().split()
    rows = [row for row in reversed(memory.reader.runs()) if _has(row, words)]
    pages = max(1, -(-len(rows) // PAGE))
    page = min(pages, page_asked(query))
    some = rows[(page - 1) * PAGE : page * PAGE]
    return RunsPage(tuple(line_of(memory, row) for row in some), search, len(rows), page, pages)


def line_of(memory: Memory, row: RunRow) -> RunLine:
    """A run in one line."""
    config = config_of(row.config)
    sums = memory.sums(row.run)
    return RunLine(
        row.run,
        row.kind,
        memory.reader.status(row),
        row.started,
        row.ended - row.started if row.ended else None,
        model_of(config),
        str(config.get("preset") or ""),
        len(memory.reader.task_names(row.run)),
        total(sums),
    )


def _has(row: RunRow, words: list[str]) -> bool:
    config = config_of(row.config) if words else {}
    text = f"{row.run} {row.kind} {row.status} {config.get('preset', '')} {model_of(config)}".lower()
    return all(word in text for word in words)
