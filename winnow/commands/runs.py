"""`winnow runs`: what is in the store."""

from __future__ import annotations

from .options import StoreOption

EXAMPLE = "Example: winnow runs"


def command(
    store: StoreOption = None,
) -> None:
    """List the runs in the store: when, what, how it ended, what it cost."""
    from ..showing import list_runs

    list_runs(store)
