"""Taking away what overlay sandboxes of runs that ended badly left on the disk; their mounts end by themselves."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .inside.cgroups import name_of, sweep
from .layers import own, run_folder
from .protocol import SandboxError


def clean_overlay(state: Path, run: str | None = None) -> list[str]:
    """Remove the layers of runs whose owner is dead, or of one such run. -> a line for each that was removed.

    Blocks. A run whose owner lives is never touched; naming it is an error. Raises SandboxError.
    """
    if run is not None:
        folder = run_folder(state, run)
        if not folder.is_dir():
            return []
        if _removed(folder):
            return [f"overlay layers of run {run}"]
        raise SandboxError(
            f"Run {run} is still going (process {_owner(folder)}): stop it before its sandboxes are cleaned."
        )
    if not state.is_dir():
        return []
    folders = sorted(folder for folder in state.iterdir() if (folder / "owner").is_file())
    return [f"overlay layers of run {folder.name}" for folder in folders if _removed(folder)]


def _removed(folder: Path) -> bool:
    owned = own(folder)
    if owned is None:
        return False
    # A launcher that was killed could not take its control groups away; its sandboxes ended with their streams.
    sweep(name_of(folder.name, folder), kill=True, everywhere=True)
    owned.release()
    return True


def _owner(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / "owner").read_text().strip() or "unknown"
    return "unknown"
