"""What of a finished build is kept: the dependencies' files and the repository's as they are, and what changed.

Names that come from a sandbox are the build's own words: on the host none of them is opened or removed by them. What
the repository itself tracks stays as it was frozen, whatever the build made of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..repository import head_entries
from ..safe_git import git
from .bench import AT, ENV, Bench
from .capture import SYSTEM_PATH, capture, link_tree
from .layers import remove

_STAMP = "/tmp/winnow-stamp"
_LIST = "/tmp/winnow-list"
_LONGEST = 256 * 2**20  # bytes of a list of files
_SUBMODULE = "160000"  # the mode of a commit of another repository: its folder is empty in ours
_NOT_KEPT = ("__pycache__", ".pytest_cache", ".git", ".hypothesis")


async def mark_start(bench: Bench) -> None:
    """From now on, what is written in the sandbox is what the installation made."""
    await bench.run(f"touch {_STAMP}; sleep 0.02", step="starting")


async def keep_environment(bench: Bench, base: Path, into: Path) -> None:
    """The environment: `base`, the host's folder that the sandbox began with, as links; then what was changed in it."""
    await asyncio.to_thread(remove, into)
    await asyncio.to_thread(link_tree, base, into)
    there = set(await _listed(bench, ENV, "! -type d -print0"))
    await asyncio.to_thread(_remove_all_but, into, there)
    await capture(
        bench.sandbox, ENV, into, only=await _listed(bench, ENV, f"! -type d -cnewer {_STAMP} -print0")
    )


async def keep_repository(bench: Bench, frozen: Path, into: Path) -> None:
    """The frozen repository as links, and the untracked files that the installation wrote, which git ignores there."""
    await asyncio.to_thread(remove, into)
    await asyncio.to_thread(link_tree, frozen, into)
    tracked = _Tracked(head_entries(frozen))
    fresh = await _listed(bench, AT, f"-name .git -prune -o ! -type d -cnewer {_STAMP} -print0")
    built = [path for path in fresh if not tracked.covers(path) and not _is_left_behind(path)]
    await capture(bench.sandbox, AT, into, only=built)
    await asyncio.to_thread(_hide, into, built)


async def _listed(bench: Bench, folder: str, wanted: str) -> list[str]:
    """Paths in a folder of the sandbox, relative to it."""
    script = f"PATH={SYSTEM_PATH}; cd {folder} && find . {wanted} > {_LIST}"
    await bench.run(script, step="listing what was built", cwd="/")
    names = (await bench.sandbox.read(_LIST, _LONGEST)).split(b"\0")
    return [os.fsdecode(name.removeprefix(b"./")) for name in names if name]


class _Tracked:
    """What the repository tracks, and the places that its files need to stay what they are."""

    def __init__(self, entries: Mapping[str, tuple[str, str]]) -> None:
        self._paths = entries
        self._folders = {parent for path in entries for parent in _parents(path)}

    def covers(self, path: str) -> bool:
        """Whether a path is a tracked one, or the build made a file of a tracked folder, or a folder of a file."""
        if path in self._paths or path in self._folders:
            return True
        return any(self._paths.get(parent, (_SUBMODULE,))[0] != _SUBMODULE for parent in _parents(path))


def _parents(path: str) -> Iterator[str]:
    """The folders that a relative path lies in."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _is_left_behind(path: str) -> bool:
    return any(part.lower() in _NOT_KEPT for part in path.split("/"))


def _remove_all_but(folder: Path, kept: set[str]) -> None:
    """Remove the files that the build removed: those found here, walking, whose names it did not list."""
    for parent, folders, files in os.walk(folder):
        for name in (*files, *(one for one in folders if os.path.islink(os.path.join(parent, one)))):
            path = os.path.join(parent, name)
            if os.path.relpath(path, folder) not in kept:
                os.unlink(path)


def _hide(tree: Path, built: list[str]) -> None:
    """What the installation wrote into the repository is ignored there, whatever its .gitignore says."""
    exclude = tree / ".git/info/exclude"
    text = exclude.read_text(errors="surrogateescape") if exclude.is_file() else ""
    exclude.unlink(missing_ok=True)  # it is a link to the frozen repository's
    lines = [f"/{path}" for path in built if not any(char in path for char in "*?[\\\n#!")]
    exclude.write_text(text + "\n".join(lines) + "\n", errors="surrogateescape")
    git("update-index", "-q", "--refresh", git_dir=tree / ".git", work_tree=tree, ok=(0, 1))
