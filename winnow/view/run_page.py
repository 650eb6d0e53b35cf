"""A run: how it stands, what it took, how its attempts ended, and its issues."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from store import RunRow, Totals

from ..attempts import fault_of, model_of
from .board import Board, board, config_of
from .memory import Memory, total
from .table import Asked, Table, table


@dataclass(frozen=True, slots=True)
class Ending:
    """How many attempts ended so. share: of all attempts, 0 to 1."""

    ending: str
    fault: str
    many: int
    share: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What changes while a run works. over, chosen, right: issues; left: seconds, None where nothing can be said.

    states: (state, kind, issues, share of all). budget: USD. right, covered: None where nothing is graded.
    """

    run: str
    status: str
    issues: int
    over: int
    chosen: int
    right: int | None
    covered: int | None
    attempts: int
    spent: Totals
    budget: float | None
    elapsed: float
    left: float | None
    states: tuple[tuple[str, str, int, float], ...]
    endings: tuple[Ending, ...]

    @property
    def live(self) -> bool:
        return self.status == "running"

    @property
    def cached(self) -> float | None:
        """Share of the prompt tokens that a cache answered."""
        return self.spent.cached_tokens / self.spent.prompt_tokens if self.spent.prompt_tokens else None


@dataclass(frozen=True, slots=True)
class RunPage:
    """All of the page. settings: what it was configured by, as (name, value) pairs, nested names with dots."""

    row: RunRow
    model: str
    preset: str
    dataset: str
    progress: Progress
    table: Table
    strategy: str
    graded: bool
    states: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]


def run_page(memory: Memory, run: str, query: Mapping[str, str], page: int | None = None) -> RunPage:
    """page: rows of the table on one page, as usual by default. Raises NoSuchRun."""
    row = memory.reader.run(run)
    config = config_of(row.config)
    found = board(memory, row.run, config)
    asked = Asked.of(query)
    data = config.get("data") or config.get("dataset") or {}
    return RunPage(
        row,
        model_of(config),
        str(config.get("preset") or ""),
        str(data.get("dataset") or data.get("name") or "") if isinstance(data, dict) else str(data),
        progress_of(memory, row, found),
        table(found, asked, page) if page else table(found, asked),
        found.strategy,
        found.graded,
        tuple(state for state, _, _ in found.states),
        tuple(_flat(config)),
    )


def progress(memory: Memory, run: str) -> Progress:
    """How a run stands now."""
    row = memory.reader.run(run)
    return progress_of(memory, row, board(memory, row.run, config_of(row.config)))


def progress_of(memory: Memory, row: RunRow, found: Board) -> Progress:
    status = memory.reader.status(row)
    many = len(found.rows)
    over = sum(each.kind in ("good", "odd", "bad") for each in found.rows)
    elapsed = max(0.0, (row.ended or (time.time() if status == "running" else row.started)) - row.started)
    ended = sum(found.ended.values())
    budget = (config_of(row.config).get("budget") or {}).get("usd")
    return Progress(
        row.run,
        status,
        many,
        over,
        sum(bool(each.chosen) for each in found.rows),
        sum(each.chosen_right is True for each in found.rows) if found.graded else None,
        sum(each.covered for each in found.rows) if found.graded else None,
        ended,
        total(memory.sums(row.run)),
        float(budget) if budget else None,
        elapsed,
        elapsed * (many - over) / over if status == "running" and 0 < over < many else None,
        tuple((state, kind, count, count / many) for state, kind, count in found.states),
        tuple(
            Ending(
                ending, fault_of(None if ending == "not ended" else ending, is_result), count, count / ended
            )
            for (ending, is_result), count in sorted(
                found.ended.items(), key=lambda item: (-item[1], item[0])
            )
        ),
    )


def _flat(config: Mapping[str, object], before: str = "") -> list[tuple[str, str]]:
    pairs = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{before}{name}.")
        elif value not in (None, "", [], {}):
            pairs.append((f"{before}{name}", str(value)))
    return pairs
