"""Which candidates apply to the task's tree, and what they make of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from agent import Candidate
from environments import Change, PatchFails, Task, changes_of

from .names import id_order

Changed = Mapping[str, Change]
"""New content and mode by path, relative to the repository's root."""


def check_applies(task: Task, candidates: Sequence[Candidate]) -> Mapping[str, Changed | None]:
    """By candidate id: the files that its patch changes ({} where it is empty), None where it does not apply."""
    by_patch: dict[str, Changed | None] = {}
    for candidate in candidates:
        if candidate.patch not in by_patch:
            by_patch[candidate.patch] = _apply(task, candidate.patch)
    return {candidate.id: by_patch[candidate.patch] for candidate in candidates}


def same_change(changed: Mapping[str, Changed | None]) -> tuple[tuple[str, ...], ...]:
    """Ids in groups that make the same files, each group and the groups by id; those that change nothing left out."""
    groups: dict[str, list[str]] = {}
    for candidate in sorted(changed, key=id_order):
        if files := changed[candidate]:
            groups.setdefault(_digest(files), []).append(candidate)
    return tuple(tuple(group) for group in groups.values())


def _apply(task: Task, patch: str) -> Changed | None:
    if not patch.strip():
        return {}
    try:
        return changes_of(task.snapshot.tree, patch)
    except PatchFails:
        return None


def _digest(files: Changed) -> str:
    whole = hashlib.sha256()
    for path, change in sorted(files.items()):
        content = "gone" if change.content is None else hashlib.sha256(change.content).hexdigest()
        whole.update(f"{path}\0{content} {change.mode:o}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()
