"""`winnow show`: what happened in a run."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow show 20261121-0640 --steps attempt-2"


def command(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    task: Annotated[str | None, typer.Argument(help="One task of the run.")] = None,
    steps: Annotated[
        str | None, typer.Option(metavar="TRAJECTORY", help="Print every step of this trajectory in full.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Show a run: its trajectories and endings, the candidates with their votes, the chosen patch, the cost.

    Characters that act on a terminal or cannot be seen are written out, in the patch too: to apply it, export it.
    """
    from ..showing import show_run

    show_run(store, run, task, steps)
