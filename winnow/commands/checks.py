"""What several commands check of their words before they import anything heavy."""

from __future__ import annotations

import typer


def check_sandbox(sandbox: str) -> None:
    """Raises typer.BadParameter where `--sandbox` names none."""
    if sandbox not in ("docker", "overlay", "auto"):
        raise typer.BadParameter(f"{sandbox!r} is none of docker, overlay, auto", param_hint="--sandbox")
