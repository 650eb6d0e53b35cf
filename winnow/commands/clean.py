"""`winnow clean`: remove what dead runs left behind."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: winnow clean --worlds 20261121-0640"


def command(
    run: Annotated[
        str | None, typer.Argument(help="Only this run's leftovers. Default: those of every dead owner.")
    ] = None,
    worlds: Annotated[
        bool,
        typer.Option(
            "--worlds", help="With RUN: remove its frozen repositories too (it can't be resumed then)."
        ),
    ] = False,
    store: Annotated[
        str | None,
        typer.Option("--store", help="The store: a file or an SQLAlchemy URL. Default: your data folder."),
    ] = None,
) -> None:
    """Remove sandboxes, containers and layers whose owner is gone. Those of runs that are alive are never touched."""
    from ..cleaning import clean_up

    clean_up(run, worlds, store)
