"""`winnow clean`: what dead owners left behind; a run's frozen repositories, unused worlds where that is asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from environments.building import prune
from sandbox import clean

from .console import Console
from .groundwork import groundwork_files
from .paths import data_folder, open_users_store, sandboxes_folder, worlds_folder


def clean_up(run: str | None, worlds: bool, unused: float | None, dry_run: bool, where: str | None) -> None:
    """Remove leftovers and say each. Raises store.RunBusy where `run` is being worked on.

    unused: days; also built worlds and groundwork that nobody used for so long. dry_run: only say which those are.
    """
    console = Console()
    if dry_run:
        for sentence in _unused(unused or 0, really=False):
            console.print(f"would remove {sentence}", highlight=False, markup=False)
        return
    removed: list[str] = []
    if run is not None:
        store = open_users_store(where)
        run = store.run(run).run
        with store.lease(run):
            removed += clean(sandboxes_folder(), run=run)
            if worlds and worlds_folder(run).is_dir():
                shutil.rmtree(worlds_folder(run))
                removed.append(f"frozen repositories of {run}")
    else:
        removed += clean(sandboxes_folder())
        removed += _stale_temporary_folders()
    if unused is not None:
        removed += _unused(unused, really=True)
    for sentence in removed:
        console.print(f"removed {sentence}", highlight=False, markup=False)
    if not removed:
        console.print("nothing was left behind")


def _unused(days: float, *, really: bool) -> list[str]:
    """What nobody used for so many days, and no living process uses: it is made anew where it is needed again."""
    layers = prune(data_folder() / "built", days, really=really)
    pieces = groundwork_files().prune(days, really=really)
    return [
        *(f"built/{layer.name}, unused for {layer.days:.0f} days" for layer in layers),
        *(f"groundwork {name}" for name in pieces),
    ]


def _stale_temporary_folders() -> list[str]:
    """Remove our folders in the temporary folder that a kill left: they serve for seconds, these are an hour old."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob("winnow-*"):
        with contextlib.suppress(OSError):
            seen = folder.lstat()
            if (
                stat.S_ISDIR(seen.st_mode)
                and seen.st_uid == os.geteuid()
                and seen.st_mtime < time.time() - 3600
            ):
                shutil.rmtree(folder)
                removed.append(f"temporary folder {folder}")
    return removed
