"""Bringing a container back to the files that it had: what was added goes, and all the rest is shown to be untouched.

A container's changes lie in the upper folder of its overlay. It is small, and on this machine root can read it, so a
look at it costs a millisecond (the engine's own list of changes compares every file of the image: 0.2 s for 6,000).
Places that a container can write to and that are no part of that overlay (/dev, /dev/shm, volumes, the files that the
engine mounts) are walked whole. Nothing is run in the container: nobody there could answer for it.

What was added is removed through the container's own view, which keeps the overlay whole. A file that was there and
was changed, replaced, deleted or only touched is not brought back: `bring_back` says no, and the container is given up.
Not seen: what the kernel keeps for the container elsewhere. What matters of it is asked for by `FACTS`, and open
connections are looked for.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .docker_client import Engine

FACTS = (
    "cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg /proc/self/limits "
    "/proc/self/status /proc/self/stat"
)
"""A command that tells what outlives a container's processes: System V IPC, and what its first process hands on."""

_HANDED_ON = (
    "Uid:",
    "Gid:",
    "Groups:",
    "Umask:",
    "Seccomp",
    "NoNewPrivs:",
    "Cap",
    "Cpus_allowed",
    "Mems_allowed",
)
_NICE = slice(15, 17)  # priority and niceness, after the name in /proc/self/stat

MOST = 20_000
"""Entries of one place at most: walking more costs more than a fresh container."""

_KERNELS = frozenset("proc sysfs cgroup cgroup2 devpts".split())
_OVERLAYS = (b"trusted.overlay.",)
_OVERLAYS_OWN = tuple(_OVERLAYS[0] + name for name in (b"origin", b"impure", b"nlink", b"uuid"))

Entry = tuple[Any, ...]
"""What must stay the same of a file: everything that the kernel tells but the time of access. Of a folder: its mode,
owner and attributes; its times change with what is added and removed, and are put back."""


class NotKnown(Exception):
    """The files of this container cannot be looked at from here."""


@dataclass(frozen=True, slots=True)
class _Area:
    """A folder or file: where we see it (`here`), its path in the container (`inside`), what it had at the mark."""

    here: bytes
    inside: bytes
    before: dict[bytes, Entry]
    times: dict[bytes, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Mark:
    """The state of a container's files at one time. lowers: the folders below its upper one, the nearest first."""

    root: bytes
    lowers: tuple[bytes, ...]
    areas: tuple[_Area, ...]

    def bring_back(self) -> bool:
        """Remove what was added since; whether everything is as it was. No process may run in the container. Blocks."""
        try:
            if _connected(self.root):
                return False
            return all(self._bring_back(area) for area in self.areas)
        except (OSError, NotKnown):
            return False

    def _bring_back(self, area: _Area) -> bool:
        now, _ = _walk(area.here)
        new = [path for path in now if path not in area.before]
        touched = {path: below for path in new if (below := self._below(area, path)) is not None}
        gone = set()
        for path in new:  # folders stand before what is in them
            if path not in touched:
                if os.path.dirname(path) not in gone:
                    _remove(self.root + area.inside + path, now[path])
                gone.add(path)
        now, times = _walk(area.here)
        if now != area.before | {path: entry for path, (entry, _) in touched.items()}:
            return False
        wanted = area.times | {path: times for path, (_, times) in touched.items()}
        for path, (read, changed) in wanted.items():
            if times[path][1] != changed:
                os.utime(self.root + area.inside + path, ns=(read, changed))
        return True

    def _below(self, area: _Area, path: bytes) -> tuple[Entry, tuple[int, int]] | None:
        """What the layers below have at a path that is new in the upper one; None: nothing, so it was added."""
        if area.inside:
            return None
        for lower in self.lowers:
            try:
                status = os.lstat(lower + path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            entry = _entry(lower + path, status, among=True)
            return entry, (status.st_atime_ns, status.st_mtime_ns)
        return None


def mark(engine: Engine, container: str) -> Mark:
    """The state of a running container's files now. Blocks. Raises NotKnown."""
    if not possible(engine):
        raise NotKnown("the container's files are not this process's to read")
    told = engine.api.inspect_container(container)
    data, pid = told.get("GraphDriver", {}).get("Data") or {}, told["State"]["Pid"]
    if not pid or not os.path.isdir(data.get("UpperDir", "")):
        raise NotKnown("the engine does not say where the container's files lie")
    root = b"/proc/%d/root" % pid
    areas = [_area(os.fsencode(data["UpperDir"]), b"")]
    try:
        areas += [_area(root + place, place) for place in _writable(pid)]
    except OSError as error:
        raise NotKnown(f"a place of the container cannot be read: {error}") from error
    return Mark(root, tuple(os.fsencode(lower) for lower in data["LowerDir"].split(":")), tuple(areas))


def possible(engine: Engine) -> bool:
    """Whether this process can look at containers' files: root, beside an engine that keeps them in overlays."""
    return engine.local and os.geteuid() == 0 and engine.info.get("Driver") == "overlay2"


def facts(said: str) -> tuple[str, ...]:
    """What `FACTS` printed, without what differs from one command to the next."""
    *lines, last = said.splitlines() or [""]
    kept = [line for line in lines if ":\t" not in line or line.startswith(_HANDED_ON)]
    return (*kept, *last.rpartition(")")[2].split()[_NICE])


def _writable(pid: int) -> Iterator[bytes]:
    """Where the container can write outside of its overlay, as paths in it."""
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        for line in file:
            fields, _, rest = line.partition(b" - ")
            place, options = fields.split()[4:6]
            kind = rest.split()[0].decode()
            place = place.decode("unicode_escape").encode("latin-1")  # a blank is written \040
            if place != b"/" and b"rw" in options.split(b",") and kind not in _KERNELS:
                yield place


def _area(here: bytes, inside: bytes) -> _Area:
    return _Area(here, inside, *_walk(here))


def _walk(top: bytes) -> tuple[dict[bytes, Entry], dict[bytes, tuple[int, int]]]:
    """Everything at and under `top` on its file system, by the path below it; and the times of folders."""
    first = os.lstat(top)
    found = {b"": _entry(top, first)}
    times = {}
    waiting = [(b"", first)] if stat.S_ISDIR(first.st_mode) else []
    while waiting:
        path, status = waiting.pop()
        times[path] = (status.st_atime_ns, status.st_mtime_ns)
        with os.scandir(top + path) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if status.st_dev != first.st_dev:
                    continue
                inner = path + b"/" + entry.name
                found[inner] = _entry(top + inner, status)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((inner, status))
        if len(found) > MOST:
            raise NotKnown(f"{os.fsdecode(top)} holds more than {MOST} files")
    return found, times


def _entry(path: bytes, status: os.stat_result, among: bool = False) -> Entry:
    """among: of a layer among others, so that what it hides below does not count."""
    owner = (status.st_mode, status.st_uid, status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return *owner, _attributes(path, _OVERLAYS if among else _OVERLAYS_OWN)
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return *owner, status.st_size, *times, status.st_ino, status.st_rdev


def _attributes(folder: bytes, without: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """A folder's extended attributes but those whose names begin so."""
    try:
        names = sorted(os.fsencode(name) for name in os.listxattr(folder, follow_symlinks=False))
    except OSError:
        return ()
    return tuple((name, os.getxattr(folder, name)) for name in names if not name.startswith(without))


def _remove(path: bytes, entry: Entry) -> None:
    if stat.S_ISDIR(entry[0]):
        shutil.rmtree(path)  # follows no link
    else:
        os.unlink(path)


def _connected(root: bytes) -> bool:
    """Whether the container's network holds TCP sockets: one that waits out its time keeps its port busy.

    From the counts: the list of sockets (net/tcp) takes the kernel several milliseconds to put together.
    """
    for counts in (b"net/sockstat", b"net/sockstat6"):
        try:
            with open(root.removesuffix(b"root") + counts, "rb") as file:
                words = [line.split() for line in file if line.startswith(b"TCP")]
        except FileNotFoundError:
            continue  # a kernel without IPv6
        for line in words:
            told = dict(zip(line[1::2], line[2::2], strict=False))
            if told.get(b"inuse", b"0") != b"0" or told.get(b"tw", b"0") != b"0":
                return True
    return False
