"""A run's table of issues: what of it is shown, as the URL says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from .board import Board, Row
from .paging import page_asked

PAGE = 100
"""Issues on one page of the table."""

SORTS: Mapping[str, tuple[str, Callable[[Row], Any]]] = {
    "order": ("#", lambda row: row.number),
    "issue": ("Issue", lambda row: row.task),
    "state": ("State", lambda row: (row.state, row.number)),
    "verdict": (
        "Verdict",
        lambda row: (_rank(row.chosen_right), row.right / row.graded if row.graded else -1),
    ),
    "votes": ("Votes", lambda row: (row.votes / row.tests if row.tests else -1, row.votes)),
    "attempts": ("Attempts", lambda row: row.attempts),
    "calls": ("Calls", lambda row: row.spent.asks),
    "tokens": ("Tokens", lambda row: row.spent.prompt_tokens + row.spent.completion_tokens),
    "cost": ("Cost", lambda row: row.spent.cost),
    "time": ("Time", lambda row: row.spent.seconds),
}
"""Columns by the name that the URL uses: title, and what they are sorted by."""

VERDICTS: Mapping[str, tuple[str, Callable[[Row], bool]]] = {
    "resolved": ("resolved", lambda row: row.chosen_right is True),
    "missed": ("missed: right ones, but not chosen", lambda row: row.covered and row.chosen_right is False),
    "uncovered": ("no right candidate", lambda row: row.graded > 0 and not row.covered),
    "ungraded": ("not graded", lambda row: not row.graded),
}


SHOWS: Mapping[str, str] = {"": "all", "flipped": "flipped", "gained": "gained", "lost": "lost"}
"""What the list of two runs' issues may be cut to, by the name that the URL uses."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the URL asks for. search: words, all of which must be in the issue's name or title."""

    search: str = ""
    state: str = ""
    verdict: str = ""
    sort: str = "order"
    down: bool = False
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """From a URL's query; what it does not know is left out."""
        return cls(
            query.get("q", "").strip()[:200],
            query.get("state", "")[:100],
            query.get("verdict", "") if query.get("verdict") in VERDICTS else "",
            query.get("sort", "order") if query.get("sort") in SORTS else "order",
            query.get("dir") == "down",
            page_asked(query),
        )

    def query(self, **other: Any) -> str:
        """The URL's query for this, or for this with something else: "?q=cache&sort=cost&dir=down"."""
        new = replace(self, **({"page": 1} | other))
        said = {
            "q": new.search,
            "state": new.state,
            "verdict": new.verdict,
            "sort": new.sort if new.sort != "order" else "",
            "dir": "down" if new.down else "",
            "page": str(new.page) if new.page > 1 else "",
        }
        return "?" + urlencode({key: value for key, value in said.items() if value})

    def sorted_by(self, name: str) -> str:
        """The query that a column's title links to: the other way round where it is sorted by it already."""
        return self.query(
            sort=name, down=not self.down if name == self.sort else name not in ("order", "issue")
        )


@dataclass(frozen=True, slots=True)
class Table:
    """rows: of this page. found: rows that match; pages: how many there are."""

    asked: Asked
    rows: tuple[Row, ...]
    found: int
    pages: int


def table(board: Board, asked: Asked, page: int = PAGE) -> Table:
    """The part of the board that is asked for. page: rows on one."""
    words = asked.search.lower().split()
    rows = [
        row
        for row in board.rows
        if (not asked.state or row.state == asked.state)
        and (not asked.verdict or VERDICTS[asked.verdict][1](row))
        and all(word in row.task.lower() or word in row.title.lower() for word in words)
    ]
    rows.sort(key=SORTS[asked.sort][1], reverse=asked.down)
    pages = max(1, -(-len(rows) // page))
    at = min(asked.page, pages)
    return Table(replace(asked, page=at), tuple(rows[(at - 1) * page : at * page]), len(rows), pages)


def _rank(right: bool | None) -> int:
    return {True: 2, False: 1, None: 0}[right]


def verdicts_of(row: Row) -> str:
    """The names of all verdicts that a row falls under, for pages that cannot ask again."""
    return " ".join(name for name, (_, falls) in VERDICTS.items() if falls(row))
