"""The journal and the results of every run, and the only place that knows SQL.

A store is one SQLite file (or a PostgreSQL database by URL) that a person may open and query. It holds runs,
their tasks and trajectories, named results, and the journal: every question to a model and every command in a
sandbox, written before the trajectory sees the answer. Imports nothing of ours. Hands on plain frozen rows;
JSON goes in and out as text.

    with open_store() as store, store.lease("a-run"):
        journal = store.journal("a-run", "a-task")
        if (step := journal.recall(key, parts)) is None:
            await journal.append(step := ..., texts)       # durable when it returns
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from store.errors import NoSuchRun, RunBusy, StepChanged, StoreError, StoreMoved
from store.rows import (
    Key,
    Outlined,
    Part,
    ResultRow,
    RunRow,
    Spent,
    Step,
    Taken,
    TaskRow,
    Totals,
    TrajectoryRow,
)

if TYPE_CHECKING:
    from store.house import Store, open_store
    from store.journal import Journal
    from store.reader import Reader, open_reader

__all__ = [
    "Journal",
    "Key",
    "NoSuchRun",
    "Outlined",
    "Part",
    "Reader",
    "ResultRow",
    "RunBusy",
    "RunRow",
    "Spent",
    "Step",
    "StepChanged",
    "Store",
    "StoreError",
    "StoreMoved",
    "Taken",
    "TaskRow",
    "Totals",
    "TrajectoryRow",
    "open_reader",
    "open_store",
]

_LATER = {
    "Store": "store.house",
    "open_store": "store.house",
    "Reader": "store.reader",
    "open_reader": "store.reader",
    "Journal": "store.journal",
}


def __getattr__(name: str) -> Any:
    """SQLAlchemy is imported when a store is first opened, so that `winnow --help` need not wait for it."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
