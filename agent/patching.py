"""From edits that a model wrote to a patch of the task's repository."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from environments import PatchFails, Task, diff

from .edits import Applied, Edit, EditError, apply_edits
from .scripts import STEM


def patch_of(task: Task, edits: list[Edit]) -> tuple[str, Applied]:
    """(the patch, the new texts and what was forgiven) that the edits make of the original code.

    Calls git: some ten milliseconds. Raises EditError with a reason that lets a model mend its reply.
    """
    snapshot = task.snapshot
    applied = apply_edits(
        snapshot.read, edits, frozenset(snapshot.files()), lambda path: _occupied(snapshot.tree, path)
    )
    try:
        return diff(snapshot.tree, applied.changed), applied
    except PatchFails as error:
        raise EditError(str(error)) from error


def _occupied(tree: Path, path: str) -> bool:
    """Whether anything that is no tracked text file stands at the path, or a link on the way to it."""
    if PurePosixPath(path).name.startswith(STEM):
        return True
    place = tree
    for part in PurePosixPath(path).parts[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return True
    place = tree / path
    return place.is_symlink() or place.exists()
