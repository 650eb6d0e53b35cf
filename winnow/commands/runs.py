"""`winnow runs`: what is in the store."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: winnow runs"


def command(
    store: Annotated[
        str | None,
        typer.Option("--store", help="The store: a file or an SQLAlchemy URL. Default: your data folder."),
    ] = None,
) -> None:
    """List the runs in the store: when, what, how it ended, what it cost."""
    from ..showing import list_runs

    list_runs(store)
