"""What `winnow report` does: read the facts of a run, make its figures, print or write them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from store import Store

from .figures_gather import gather
from .figures_printing import print_summary
from .figures_summary import summarize
from .figures_tables import as_json, write_csv
from .paths import open_users_store
from .showing import print_outcome


def report(run: str, *, json: bool, csv: Path | None, store: str | None) -> None:
    """Print the report of a run, as text or as one JSON object, and write its tables where that is asked for."""
    opened = open_users_store(store)
    console = Console(stderr=json)
    facts = gather(opened, run)
    summary = summarize(facts)
    if json:
        print(as_json(facts, summary), end="")
    else:
        if facts.row.kind in ("solve", "demo"):
            _candidates(console, opened, facts.row.run)
        print_summary(console, summary)
    if csv is not None:
        files = write_csv(facts, summary, csv)
        console.print(f"Written to {csv}: {', '.join(file.name for file in files)}", highlight=False)


def _candidates(console: Console, store: Store, run: str) -> None:
    """A run of one issue: its candidates are what one wants to see first."""
    for task in store.tasks(run):
        print_outcome(console, store, run, task.task)
