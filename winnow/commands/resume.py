"""`winnow resume`: go on where a run stopped, in the middle of its trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: winnow resume 20261121-0640   (a part of the id that is enough to tell it from others)"


def command(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    out: Annotated[Path | None, typer.Option(help="Write the chosen patch to this file.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the chosen patch into the checkout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    store: Annotated[
        str | None,
        typer.Option("--store", help="The store: a file or an SQLAlchemy URL. Default: your data folder."),
    ] = None,
) -> None:
    """Go on with a run that was interrupted or that the world failed. Nothing that was paid for is paid again."""
    from ..solve_command import resume

    raise typer.Exit(resume(run, out=out, apply=apply, as_json=as_json, store=store))
