"""`winnow doctor`: what works on this machine, and what mends the rest."""

from __future__ import annotations

import typer

EXAMPLE = "Example: winnow doctor"


def command() -> None:
    """Say what works here, what does not, and the one command that mends it. Exit code 1: no sandbox can be made."""
    from ..doctor import examine

    raise typer.Exit(examine())
