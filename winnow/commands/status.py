"""`winnow status`: how a run stands, from any terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow status 20261121-0640 --watch"


def command(
    run: Annotated[
        str | None, typer.Argument(help="The run's id, or the beginning of it. Default: the last.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds until it is over.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    store: StoreOption = None,
) -> None:
    """Show how the issues of a run stand. Only the store is read, so nothing that works on the run is disturbed."""
    from ..status_command import show_status

    show_status(run, watch=watch, as_json=as_json, store=store)
