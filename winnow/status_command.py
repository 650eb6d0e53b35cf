"""`winnow status`: the live view's picture, made from the store."""

from __future__ import annotations

import time
from dataclasses import replace

from environments import json_text
from store import NoSuchRun, RunRow, Store

from .batch_issues import stored_configuration
from .console import Console, Live
from .live_picture import Picture, lines_of
from .paths import open_users_store

KINDS = ("run", "solve", "demo")
"""Of runs that work on issues: others import or grade."""

SECONDS = 2.0
"""Between two looks."""


def show_status(run: str | None, *, watch: bool, as_json: bool, store: str | None) -> None:
    """Print how a run stands, again and again with `watch`. Raises store.NoSuchRun."""
    opened, console = open_users_store(store), Console()
    if run is None:
        rows = [row for row in opened.runs() if row.kind in KINDS]
        if not rows:
            raise NoSuchRun("there is no run yet: `winnow run` and `winnow solve` make one")
        run = rows[-1].run
    row = _row(opened, run)
    if as_json:
        print(_as_json(opened, row))
    elif watch and console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while row.status == "running":
                live.update(_picture(opened, row).render(console.height), refresh=True)
                time.sleep(SECONDS)
                row = _row(opened, row.run)
        _print(console, opened, row)
    else:
        _print(console, opened, row)
        while watch and row.status == "running":
            time.sleep(SECONDS)
            row = _row(opened, row.run)
            console.print(_picture(opened, row).headline(), highlight=False)


def _row(store: Store, run: str) -> RunRow:
    """The run's row, with how it really stands."""
    row = store.run(run)
    return replace(row, status=store.status(row))


def _print(console: Console, store: Store, row: RunRow) -> None:
    console.print(f"run {row.run}: {row.status}", style="bold", highlight=False)
    console.print(_picture(store, row).render(10_000))


def _picture(store: Store, row: RunRow) -> Picture:
    configuration = stored_configuration(store, row.run)
    now = time.time()
    return Picture(
        lines_of(store, row.run),
        configuration.most_attempts,
        configuration.budget.usd,
        auto=configuration.attempts == "auto",
        elapsed=(row.ended or now) - row.started,
        now=now,
    )


def _as_json(store: Store, row: RunRow) -> str:
    lines = lines_of(store, row.run)
    issues = {
        name: {
            "stage": line.state.stage,
            "ending": line.state.ending,
            "why": line.state.sentence,
            "chosen": line.state.chosen,
            "votes": line.state.votes,
            "tests": line.state.tests,
            "failed_by_the_world": line.state.failed,
            "attempts": dict(line.endings),
            "calls": line.calls,
            "tokens": line.tokens,
            "cost_usd": line.cost,
        }
        for name, line in lines.items()
    }
    return json_text({"run": row.run, "status": row.status, "issues": issues}, indent=2)
