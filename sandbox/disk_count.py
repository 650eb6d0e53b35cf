"""How much of a disk a sandbox's files take, counted from outside, whatever the code in it did to hide them.

Counted are blocks, not lengths: a sparse file takes what it takes. Folders nested deeper than any path can say are
followed, links are not, files with several names count once, and those that were deleted but are still open or mapped
are found through the processes that hold them. Not found are deleted files that only a message in a socket holds, and
what an ordinary user's sandbox wrote to a deleted file beyond the part that it has mapped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

LEAST = 4096
"""Bytes that every file and folder counts for at least: an empty one still takes an inode, which a disk runs out of."""

CROWD = 500_000
"""Folders waiting to be counted beyond which a sandbox counts as over any limit: the list lies in Winnow's memory."""

ANCHORED = 8
"""Of a chain of folders every so manieth is kept open while what lies below it is counted."""

ANCHORS = 200
"""Folders kept open at most: the deepest."""

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
    """Bytes of files that no folder has any more but one of these processes holds; not of those in memory.

    It holds them by a descriptor, also in a table that one of its threads has for itself, or by a mapping alone.
    """
    found: dict[tuple[int, int], int] = {}
    in_memory = {os.stat(descriptor := os.memfd_create("winnow")).st_dev}
    os.close(descriptor)
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended
            in_memory |= set(_memory_disks(pid))
            for task in os.listdir(f"/proc/{pid}/task"):
                _add_deleted(found, f"/proc/{pid}/task/{task}/fd")
            _add_mapped(found, pid)
    return sum(size for (disk, _), size in found.items() if disk not in in_memory)


def _add_deleted(found: dict[tuple[int, int], int], folder: str) -> None:
    with contextlib.suppress(OSError):  # the thread or process ended
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                about = os.stat(f"{folder}/{name}")
                if stat.S_ISREG(about.st_mode) and not about.st_nlink:
                    found[about.st_dev, about.st_ino] = about.st_blocks * 512


def _add_mapped(found: dict[tuple[int, int], int], pid: int) -> None:
    """Files that are only mapped: only root may look through a mapping at its file; for others the mapping tells."""
    mapped: dict[tuple[int, int], int] = {}
    with open(f"/proc/{pid}/maps", "rb") as maps:
        for line in maps:
            if not line.endswith(b" (deleted)\n"):
                continue
            span, _, start, disk, inode, _ = line.split(None, 5)
            low, _, high = span.partition(b"-")
            major, _, minor = disk.partition(b":")
            key = os.makedev(int(major, 16), int(minor, 16)), int(inode)
            try:
                about = os.stat(f"/proc/{pid}/map_files/{_plain(low)}-{_plain(high)}")
                if stat.S_ISREG(about.st_mode) and not about.st_nlink:
                    found[about.st_dev, about.st_ino] = about.st_blocks * 512
            except PermissionError:
                # Its disk is told by another number than files on an overlay have, so it could count twice.
                mapped[key] = max(mapped.get(key, 0), int(start, 16) + int(high, 16) - int(low, 16))
            except OSError:
                pass
    descriptors = {inode for _, inode in found}
    for (disk, inode), size in mapped.items():
        if inode not in descriptors:
            found[disk, inode] = size


def _plain(address: bytes) -> str:
    """An address as map_files names it: without leading zeros."""
    return f"{int(address, 16):x}"


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


@dataclasses.dataclass(eq=False, slots=True)
class _Node:
    """A folder as the one it lies in and its name: whole paths of deep trees would fill the memory."""

    above: _Node | None
    name: str
    depth: int = 0


class _Anchors:
    """Folders on the way to those that are counted now, kept open, so that deep trees are not walked from the top."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[_Node, int]] = {}

    def nearest(self, node: _Node) -> tuple[int | None, list[_Node]]:
        """-> the descriptor of the nearest one above (or at) a folder, None for the top; what lies between."""
        between: list[_Node] = []
        at: _Node | None = node
        while at is not None:
            kept = self._open.get(at.depth)
            if kept is not None and kept[0] is at:
                return kept[1], between[::-1]
            between.append(at)
            at = at.above
        return None, between[::-1]

    def keep(self, node: _Node, folder: int) -> None:
        self._close(node.depth)
        self._open[node.depth] = node, os.dup(folder)
        if len(self._open) > ANCHORS:
            self._close(min(self._open))

    def close(self) -> None:
        for depth in list(self._open):
            self._close(depth)

    def _close(self, depth: int) -> None:
        if depth in self._open:
            os.close(self._open.pop(depth)[1])


def _walk(root: Path, count: _Count) -> None:
    if not root.is_dir():
        count.add(root.lstat())
        return
    top, anchors = os.open(root, _FOLDER), _Anchors()
    try:
        waiting = [_Node(None, ".")]
        while waiting and not count.enough():
            node = waiting.pop()
            with contextlib.suppress(OSError):  # it is gone, or became something else
                waiting += _counted(top, anchors, node, count)
            if len(waiting) > CROWD:
                count.bytes += 1 << 62
    finally:
        anchors.close()
        os.close(top)


def _counted(top: int, anchors: _Anchors, node: _Node, count: _Count) -> list[_Node]:
    """Count what lies in one folder. -> the folders in it"""
    below: list[_Node] = []
    with _opened(top, anchors, node) as folder, os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat(follow_symlinks=False)
                count.add(about)
                if stat.S_ISDIR(about.st_mode):
                    below.append(_Node(node, entry.name, node.depth + 1))
            if count.enough():
                break
    return below


@contextlib.contextmanager
def _opened(top: int, anchors: _Anchors, node: _Node) -> Iterator[int]:
    nearest, between = anchors.nearest(node)
    start = top if nearest is None else nearest
    try:
        folder = _reached(start, between, anchors)
    except PermissionError:
        with _forced(start, [one.name for one in between]) as folder:
            yield folder
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _reached(start: int, nodes: list[_Node], anchors: _Anchors) -> int:
    folder = os.dup(start)
    for last, path in _said(nodes):
        try:
            below = os.open(path, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
        if last.depth and last.depth % ANCHORED == 0:
            anchors.keep(last, folder)
    return folder


def _said(nodes: list[_Node]) -> Iterator[tuple[_Node, str]]:
    """Folders in each other as paths that are short enough for one call and end where one is kept open."""
    path, last = "", None
    for node in nodes:
        if last is not None and (len(path) + len(node.name) >= _SAID_AT_ONCE or last.depth % ANCHORED == 0):
            yield last, path
            path = ""
        path, last = f"{path}/{node.name}" if path else node.name, node
    if last is not None:
        yield last, path


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
