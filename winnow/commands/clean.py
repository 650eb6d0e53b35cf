"""`winnow clean`: remove what dead runs left behind."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import StoreOption

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
    unused: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS",
            min=1,
            help="Remove built worlds, and what is known of repositories, that nobody used for so many days.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --unused: only say what would be removed.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Remove sandboxes, containers and layers whose owner is gone. Those of runs that are alive are never touched.

    A run whose world was removed as unused builds it again when it is resumed.
    """
    from ..cleaning import clean_up

    if dry_run and unused is None:
        raise typer.BadParameter("say for how long unused: --unused DAYS", param_hint="--dry-run")
    clean_up(run, worlds, unused, dry_run, store)
