"""A disk of a run's own, on which the kernel holds each sandbox to its disk limit, whatever the code in it does.

It is a btrfs in a sparse file of the run's folder, on a loop device. Each sandbox's layer is a subvolume with a quota:
data, folders, names and attributes count in it, with or without a name, a descriptor or a process that holds them.

The file has no name once it is in use, and the file system is mounted only in the launcher's namespace and by a
descriptor of this process. So the end of both is the end of mount, loop device and file, however they end; and while
one lives, the layers do.

The disk promises no more than the host's disk has. It is made as large as what is free there, less RESERVE. What
others write later is looked at all the time (`follow_host`): all sandboxes of the run together may grow by what is
free then, less RESERVE. So the host's disk is not filled; where others fill it and a write of the loop device fails,
`trouble` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import btrfs
from .disk_count import has_children
from .disk_watch import FASTEST

RESERVE = 1 << 30
"""Bytes of the host's disk that are left alone: for others, and for what quotas do not count (a few parts in a hundred:
which blocks are used, and blocks freed a moment ago)."""

SMALLEST = 1 << 30
"""A disk of less is not made."""

LEAST_SLACK = 8 << 20
SLACK = 20
"""A quota is larger than the limit by this part of it, at least by LEAST_SLACK: so that a sandbox which goes over its
limit is seen to be over it, and named, and not only refused."""

OFTEN, SELDOM = 0.25, 10.0
"""Seconds between two looks at it, at least and at most."""

_EVERYBODY = 1 << 48
"""The qgroup 1/0: of all sandboxes together."""

_OPTIONS = ("nodatacow", "nobarrier", "discard")
"""Nothing on it outlives the run, so nothing has to survive a power cut. What was deleted is given back to the host."""

_SECONDS_TO_COMMIT = "1"
"""What was deleted is free only after a commit, also in the host's file."""


class Unavailable(Exception):
    """No such disk can be had here: why, and what to do about it, as the end of a sentence."""


class QuotaDisk:
    """Made by `create`. Calls may block, the disk being busy. path: its root, for this process only."""

    def __init__(self, folder: Path, root: int, device: int, device_path: str) -> None:
        self._folder, self._root, self._device = folder, root, device
        self.device = device_path
        self.path = Path(f"/proc/self/fd/{root}")
        self._qgroups = str(btrfs.qgroups(root))

    @classmethod
    def create(cls, folder: Path) -> QuotaDisk:
        """folder: the run's, on the host's disk. Raises Unavailable, OSError."""
        if os.geteuid() != 0:
            raise Unavailable("only root can set quotas")
        program = shutil.which("mkfs.btrfs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            raise Unavailable("mkfs.btrfs is not installed (on Debian: apt-get install btrfs-progs)")
        size = _free(folder) - RESERVE
        if size < SMALLEST:
            raise Unavailable(f"the disk of {folder} has less than 2 GB free")
        made, opened = folder / "disk", list[int]()
        try:
            file = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            opened.append(file)
            os.ftruncate(file, size)
            _format(program, made)
            device, path = _step("no loop device can be had here", btrfs.loop_device, file)
            opened.append(device)
            values = {"commit": _SECONDS_TO_COMMIT}
            root = _step("btrfs cannot be mounted here", btrfs.mounted, path, _OPTIONS, values)
            opened.append(root)
            _step("btrfs has no quotas here", _set_up, root)
            disk = cls(folder, root, device, path)
            opened = [file]
            return disk
        finally:
            for descriptor in opened:
                os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made)

    def make(self, name: str, limit: int | None) -> Subvolume:
        """A sandbox's own folder `name`. limit in bytes. Raises OSError."""
        made = Subvolume(self, name, btrfs.create_subvolume(self._root, name, _EVERYBODY), limit)
        made.hold_to(1)
        return made

    def destroy(self, name: str) -> None:
        """Remove a sandbox's folder. What of it is in use goes with its last user."""
        with contextlib.suppress(OSError):  # it is gone, or the disk failed: then all of it goes soon
            btrfs.destroy_subvolume(self._root, name)

    def commit(self) -> None:
        btrfs.commit(self._root)

    def limit(self, qgroup: int, most: int | None) -> None:
        btrfs.limit_qgroup(self._root, qgroup, most)

    def told(self, qgroup: int, name: str) -> int:
        """What the kernel tells of a qgroup, in bytes."""
        # Asked for at each command's end: a file of Python's would take five times as long.
        level, number = qgroup >> 48, qgroup & ((1 << 48) - 1)
        file = os.open(f"{self._qgroups}/{level}_{number}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(file, 64))
        finally:
            os.close(file)

    def room(self) -> int:
        """Bytes that the host's disk can still give; 0 or less where it is full."""
        return _free(self._folder) - RESERVE

    def failed(self) -> bool:
        """Whether something could not be written: what lies here is not to be relied on any more."""
        return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY or btrfs.failed_writes(self._root))

    def trouble(self) -> str | None:
        """A sentence where the host's disk is full."""
        if self.failed():
            return (
                f"The disk that holds {self._folder} was full, and what sandboxes wrote is lost: free some space, "
                "and `winnow resume`."
            )
        if self.room() <= 0:
            return (
                f"The disk that holds {self._folder} is full (less than {RESERVE >> 30} GB is left): free some "
                "space, or run `winnow clean`."
            )
        return None

    async def follow_host(self) -> None:
        """See to it, for ever, that all sandboxes together cannot grow by more than the host's disk can give."""
        room = 0
        while True:
            with contextlib.suppress(OSError):  # the disk failed: `trouble` tells
                room = self.room()
                await asyncio.to_thread(self._allow, max(0, room))
            await asyncio.sleep(min(SELDOM, max(OFTEN, room / FASTEST)))

    def _allow(self, more: int) -> None:
        self.limit(_EVERYBODY, self.told(_EVERYBODY, "referenced") + more)

    def close(self) -> None:
        """Let go of it: with the last mount in a namespace it is gone. Blocks while the kernel takes it away."""
        os.close(self._root)
        os.close(self._device)


class Subvolume:
    """The folder of one sandbox. limit: None for no limit."""

    def __init__(self, disk: QuotaDisk, name: str, number: int, limit: int | None) -> None:
        self.name = name
        self._disk, self._number, self._limit = disk, number, limit

    def hold_to(self, slacks: int) -> None:
        """Let the kernel refuse what goes beyond the limit and so many times its slack."""
        if self._limit is not None:
            self._disk.limit(self._number, self._limit + slacks * max(self._limit // SLACK, LEAST_SLACK))

    def used(self, enough: int | None) -> int:
        """Bytes that it takes; perhaps more than that, up to `enough`."""
        taken = self._told("referenced") + self._told("rsv_data")
        # What is put aside for folders and names is mostly not used, and what was deleted counts until a commit.
        most = taken + self._told("rsv_meta_prealloc") + self._told("rsv_meta_pertrans")
        if enough is not None and most <= enough:
            return most
        self._disk.commit()
        return self._told("referenced") + self._told("rsv_data")

    def _told(self, name: str) -> int:
        return self._disk.told(self._number, name)


class QuotaFiles:
    """See disk_watch.Files: what the kernel counted in a sandbox's subvolume. first: as LayerFiles has it."""

    exact = True

    def __init__(self, subvolume: Subvolume, disk: QuotaDisk, first: Callable[[], int | None]) -> None:
        self._subvolume, self._first = subvolume, first
        self.disk = disk.path

    def count(self, enough: int | None) -> int:
        return self._subvolume.used(enough)

    def busy(self) -> bool:
        first = self._first()
        return first is not None and has_children(first)


def _free(folder: Path) -> int:
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


def _format(program: str, file: Path) -> None:
    argv = [program, "--quiet", "--nodiscard", "--metadata", "single", "--data", "single", str(file)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Unavailable(f"mkfs.btrfs failed ({words[-1].rstrip('.')})")


def _set_up(root: int) -> None:
    btrfs.enable_quotas(root)
    btrfs.create_qgroup(root, _EVERYBODY)


def _step(what: str, call, *arguments):
    """Make one step; where the kernel or its owner refuses it, there is no such disk here."""
    try:
        return call(*arguments)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Unavailable(f"{what} ({error.strerror})") from error
