"""`winnow images`: what Winnow keeps of images, and room made by least recent use."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: winnow images --prune --budget 20GB"


def command(
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the least recently used until the rest fits --budget.")
    ] = False,
    budget: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --prune: what may stay, e.g. 20GB or 500MB.")
    ] = None,
) -> None:
    """List the images that Winnow pulled, built, imported or unpacked: size, last use, and by which run.

    Never listed nor removed: what was on the engine before Winnow asked for it. Never removed: what a living run uses.
    """
    from ..image_showing import list_images, prune_images, size_of

    if prune != (budget is not None):
        raise typer.BadParameter(
            "--prune and --budget go together: say how much may stay, e.g. --budget 20GB (0: as little as can be)",
            param_hint="--budget",
        )
    if budget is None:
        list_images()
        return
    size = size_of(budget)
    if size is None:
        raise typer.BadParameter(f"{budget!r} is no size: say 20GB or 500MB", param_hint="--budget")
    prune_images(size)
