"""One digest of all that decides what a task's commands do: its repository, its dependencies, its root, its variables.

Tasks of different issues at the same commit in the same environment have the same one. Files that git tracks count by
their contents (the tree's id); of all others the names, sizes and times of change are looked at, which is quick for ten
thousand of them, and which an installation that changes anything changes too.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sandbox import Dockerfile, HostRoot, Root, RootFs, image_id

from .task import Task

VERSION = 1
"""Raise it when the digest is made otherwise."""

_HOST = (
    "/etc/os-release",
    "/var/lib/dpkg/status",
    "/var/lib/rpm",
    "/lib/apk/db/installed",
    "/usr/bin",
    "/usr/lib",
    "/usr/local/bin",
    "/usr/local/lib",
)
"""Of the host's own programs: they change when packages are installed or removed."""
_SITES = ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3*/*-packages")


def world_digest(task: Task, *more: Any) -> str | None:
    """The digest, None where the world is not decided by what is here: a set-up or commands that use a network, an
    image that nobody here can tell the id of. more: what else decides it (the kind of sandbox, its limits). Blocks.
    """
    recipe, snapshot = task.recipe, task.snapshot
    root = _root(recipe.root)
    if recipe.setup or recipe.network != "none" or root is None:
        return None
    said = [
        VERSION,
        snapshot.base,
        snapshot.digest,
        snapshot.at,
        _files(snapshot.tree, frozenset(snapshot.files())),
        [[place.target, _files(place.source)] for place in recipe.places],
        root,
        sorted(recipe.env.items()),
        recipe.services,
        platform.machine(),
        more,
    ]
    return hashlib.sha256(json.dumps(said, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def _root(root: Root) -> Any:
    """What tells a root file system from another, None where nothing here does."""
    if isinstance(root, HostRoot):
        sites = [place for pattern in _SITES for place in sorted(Path("/").glob(pattern[1:]))]
        return [
            "host",
            _stats([*map(Path, _HOST), *sites]),
            [[path, _files(Path(path))] for path in root.extra],
        ]
    if isinstance(root, RootFs):
        return ["folder", _files(root.folder)]
    if isinstance(root, Dockerfile):
        return None
    id = image_id(root.name)  # what a name means may change
    return ["image", id] if id else None


def _files(folder: Path, tracked: Collection[str] = ()) -> str:
    """A digest of the names, sizes and times of all files but those that are `tracked`; of links where they lead."""
    whole = hashlib.sha256()
    if not folder.is_dir():
        return _stats([folder])
    top = os.fspath(folder)
    for parent, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name != ".git" and name != "__pycache__")
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, top)
            if relative not in tracked:
                whole.update(f"{relative}\0{_stat(path)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _stats(paths: Iterable[Path]) -> str:
    return " ".join(f"{path}:{_stat(os.fspath(path))}" for path in paths)


def _stat(path: str) -> str:
    try:
        if os.path.islink(path):
            return f"-> {os.readlink(path)}"
        seen = os.stat(path)
        return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_mode:o}"
    except OSError:
        return "none"
