"""A repository as a tree of folders and files that fits into a prompt, whatever the repository's size."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import count

from models import estimate_tokens


@dataclass(slots=True)
class _Folder:
    """files: how many there are below it, at any depth."""

    path: str
    folders: dict[str, _Folder] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    files: int = 0
    open: bool = False


def structure(paths: Iterable[str], limit: int, named: Collection[str] = (), below: str = "") -> str:
    """The paths as an indented tree of about `limit` tokens at most.

    Folders are opened from the root downwards, those on the way to `named` paths first and small ones before large
    ones; one that does not fit any more stays closed, on a line that says how many files it has. below: show what this
    folder holds. "" where there is no path below it.
    """
    root = _tree(paths)
    for part in filter(None, below.strip("/").split("/")):
        if part not in root.folders:
            return ""
        root = root.folders[part]
    _open(root, limit, named)
    depth = root.path.count("/")
    return "\n".join(_lines(root, depth, limit))


def folders(paths: Iterable[str]) -> frozenset[str]:
    """Every folder that holds any of the paths, each with its slash at the end."""
    found: set[str] = set()
    for path in paths:
        while "/" in path:
            path = path.rpartition("/")[0]
            if path + "/" in found:
                break
            found.add(path + "/")
    return frozenset(found)


def named_in(text: str, paths: Iterable[str]) -> list[str]:
    """The paths that a text names: whole, as a module with dots, or by the file's own name."""
    found = []
    for path in paths:
        module = path.rpartition(".")[0].replace("/", ".")
        name = path.rpartition("/")[2]
        if path in text or ("." in module and module in text) or (len(name) > 4 and name in text):
            found.append(path)
    return found


def _tree(paths: Iterable[str]) -> _Folder:
    root = _Folder("")
    for path in sorted(paths):
        *parents, name = path.split("/")
        folder = root
        folder.files += 1
        for parent in parents:
            folder = folder.folders.setdefault(parent, _Folder(f"{folder.path}{parent}/"))
            folder.files += 1
        folder.names.append(name)
    return root


def _open(root: _Folder, limit: int, named: Collection[str]) -> None:
    wanted = folders(named)
    order = count()
    left = limit
    waiting = [(False, 0, root.files, next(order), root)]
    while waiting:
        *_, folder = heapq.heappop(waiting)
        cost = _cost(folder)
        if cost > left and folder is not root:
            continue
        left -= cost
        folder.open = True
        for child in folder.folders.values():
            place = (child.path not in wanted, child.path.count("/"), child.files, next(order), child)
            heapq.heappush(waiting, place)


def _cost(folder: _Folder) -> int:
    """Tokens of the lines that opening a folder adds."""
    indent = " " * 2 * folder.path.count("/")
    return estimate_tokens("\n".join(f"{indent}{name}" for name in folder.names)) + sum(
        estimate_tokens(f"{indent}{name}/ (closed: 00 files)\n") for name in folder.folders
    )


def _lines(folder: _Folder, depth: int, limit: int) -> list[str]:
    """The tree's lines; a folder that is too large by itself is cut after what fits."""
    indent = "  " * (folder.path.count("/") - depth)
    lines = []
    for name, child in folder.folders.items():
        said = "" if child.open else f" (closed: {child.files} files)"
        lines.append(f"{indent}{name}/{said}")
        if child.open:
            lines += _lines(child, depth, limit)
    used = 0
    for i, name in enumerate(folder.names):
        used += estimate_tokens(indent + name + "\n")
        if used > limit:
            lines.append(f"{indent}... and {len(folder.names) - i} more files")
            break
        lines.append(indent + name)
    return lines
