"""`winnow presets`: the methods there are."""

from __future__ import annotations

import typer

EXAMPLE = "Example: winnow presets"


def command() -> None:
    """List the presets: each method's parts and settings in a short file."""
    from ..configuration import presets

    for name, about in presets().items():
        typer.echo(f"{name}: {about}")
