"""`winnow tail`: follow a run from another terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow tail 20261121-0640"


def command(
    run: Annotated[
        str | None, typer.Argument(help="The run's id, or the beginning of it. Default: the newest.")
    ] = None,
    task: Annotated[str | None, typer.Argument(help="One task of the run.")] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Steps to begin with, the last ones.")
    ] = 20,
    follow: Annotated[bool, typer.Option(help="Go on until the run has ended.")] = True,
    store: StoreOption = None,
) -> None:
    """Follow a run: a line for every question, command and decision, and for every ending, as they are written."""
    from ..tailing import tail

    tail(store, run, task=task, lines=lines, follow=follow)
