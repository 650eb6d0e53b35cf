"""How much of a disk a sandbox's files take, counted from outside, whatever the code in it did to hide them.

Counted are blocks, not lengths: a sparse file takes what it takes. Folders nested deeper than any path can say are
followed, links are not, files with several names count once, and those that were deleted but are still open are found
through the processes that hold them. Not found are deleted files that only a message in a socket holds.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

LEAST = 4096
"""Bytes that every file and folder counts for at least: an empty one still takes an inode, which a disk runs out of."""

CROWD = 500_000
"""Folders waiting to be counted beyond which a sandbox counts as over any limit: the list lies in Winnow's memory."""

_SAID_AT_ONCE = 1000  # characters of a path in one call: the kernel takes 4096 bytes
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LayerFiles:
    """See disk_watch.Files: what lies in a sandbox's own upper folders on this machine.

    first: the sandbox's first process as this machine numbers it; None when there is none any more.
    """

    exact = False

    def __init__(self, folders: Sequence[Path], first: Callable[[], int | None]) -> None:
        self._folders, self._first = folders, first
        self.disk = folders[0]

    def count(self, enough: int | None) -> int:
        used = written(self._folders, enough)
        first = self._first()
        # The first process is Winnow's own and holds no files: alone, it hides none.
        if first is None or (enough is not None and used > enough) or not has_children(first):
            return used
        return used + deleted(processes(first))

    def busy(self) -> bool:
        first = self._first()
        return first is not None and has_children(first)


def written(folders: Iterable[Path], enough: int | None = None) -> int:
    """Bytes that the files below some folders take. Counting ends above `enough`. Files may come and go meanwhile."""
    count = _Count(enough)
    for folder in folders:
        if count.enough():
            break
        with contextlib.suppress(FileNotFoundError):
            _walk(folder, count)
    return count.bytes


def deleted(pids: Iterable[int]) -> int:
    """Bytes of files that no folder has any more but one of these processes holds open; not of those in memory."""
    found: dict[tuple[int, int], int] = {}
    in_memory = {os.stat(descriptor := os.memfd_create("winnow")).st_dev}
    os.close(descriptor)
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended
            in_memory |= set(_memory_disks(pid))
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    about = os.stat(f"/proc/{pid}/fd/{name}")
                    if stat.S_ISREG(about.st_mode) and not about.st_nlink:
                        found[about.st_dev, about.st_ino] = about.st_blocks * 512
    return sum(size for (disk, _), size in found.items() if disk not in in_memory)


def processes(first: int) -> list[int]:
    """A sandbox's processes: its first one, as this machine numbers it, and all that descend from it."""
    found = [first]
    for pid in found:
        with contextlib.suppress(OSError):  # it ended
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
                found += (int(child) for child in children)
    return found


def has_children(first: int) -> bool:
    """Whether a sandbox's first process has children: commands, or what they left behind."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{first}/task/{first}/children").read_bytes())
    return False


class _Count:
    def __init__(self, most: int | None) -> None:
        self.bytes = 0
        self._most = most
        self._seen: set[tuple[int, int]] = set()

    def add(self, about: os.stat_result) -> None:
        if about.st_nlink > 1 and not stat.S_ISDIR(about.st_mode):
            if (about.st_dev, about.st_ino) in self._seen:
                return
            self._seen.add((about.st_dev, about.st_ino))
        self.bytes += max(about.st_blocks * 512, LEAST)

    def enough(self) -> bool:
        return self._most is not None and self.bytes > self._most


_Node = tuple["_Node | None", str]
"""A folder as (the one it lies in, its name): whole paths of deep trees would fill the memory."""


def _walk(root: Path, count: _Count) -> None:
    if not root.is_dir():
        count.add(root.lstat())
        return
    top = os.open(root, _FOLDER)
    try:
        waiting: list[_Node] = [(None, ".")]
        while waiting and not count.enough():
            node = waiting.pop()
            with contextlib.suppress(OSError):  # it is gone, or became something else
                waiting += _counted(top, node, count)
            if len(waiting) > CROWD:
                count.bytes += 1 << 62
    finally:
        os.close(top)


def _counted(top: int, node: _Node, count: _Count) -> list[_Node]:
    """Count what lies in one folder. -> the folders in it"""
    below: list[_Node] = []
    with _opened(top, node) as folder, os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat(follow_symlinks=False)
                count.add(about)
                if stat.S_ISDIR(about.st_mode):
                    below.append((node, entry.name))
            if count.enough():
                break
    return below


@contextlib.contextmanager
def _opened(top: int, node: _Node) -> Iterator[int]:
    names = []
    at: _Node | None = node
    while at is not None:
        at, name = at
        names.append(name)
    try:
        folder = _reached(top, _said(names[::-1]))
    except PermissionError:
        with _forced(top, names[::-1]) as folder:
            yield folder
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _reached(top: int, paths: Iterable[str]) -> int:
    folder = os.dup(top)
    for path in paths:
        try:
            below = os.open(path, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def _said(names: list[str]) -> Iterator[str]:
    """The names as paths that are short enough for one call."""
    path = ""
    for name in names:
        if path and len(path) + len(name) >= _SAID_AT_ONCE:
            yield path
            path = ""
        path += f"/{name}" if path else name
    yield path


@contextlib.contextmanager
def _forced(top: int, names: list[str]) -> Iterator[int]:
    """A folder below some that an ordinary user, who owns them, made such that nobody sees what lies in them.

    Each may be listed only for as long as it is looked at.
    """
    folder, mode = os.dup(top), None
    try:
        for name in names:
            found = os.open(name, _FOLDER | os.O_PATH, dir_fd=folder)
            try:
                found_mode = stat.S_IMODE(os.fstat(found).st_mode)
                os.chmod(f"/proc/self/fd/{found}", found_mode | stat.S_IRWXU)
                below = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            finally:
                os.close(found)
            if mode is not None:
                os.fchmod(folder, mode)
            os.close(folder)
            folder, mode = below, found_mode
        yield folder
    finally:
        if mode is not None:
            os.fchmod(folder, mode)
        os.close(folder)


def _memory_disks(pid: int) -> Iterator[int]:
    """Device numbers of what a process has mounted that lies in memory: limited as memory is."""
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith(("tmpfs ", "devtmpfs ", "ramfs ")):
            major, _, minor = before.split()[2].partition(":")
            yield os.makedev(int(major), int(minor))
