"""The watched disk limit: who writes more than it may is stopped, where the storage itself cannot see to it.

When a command ends, the files of its sandbox are counted: what it wrote beyond the limit ends it as "disk", however
fast it was. Few sandboxes hold many files of their own, so this takes some tenths of a millisecond.

While commands run, one task for all sandboxes of a backend looks at the free space of the disk, which takes
microseconds: as long as the disk has lost less than a sandbox may still write, the sandbox cannot be over its limit.
Only when the disk has lost more are the sandbox's own files counted. So a sandbox passes its limit by what can be
written in a quarter of a second, no single file passes it at all (RLIMIT_FSIZE), and what children of a command write
after its end is seen too. Space that others give back within the same quarter of a second hides what was taken until
the command ends; for those that do not end, files are counted now and then unasked.

Where the file system itself holds a sandbox to its limit (quota_disk.py) its own count is looked at instead, more often
the nearer it is to the limit. All that the watch does then is to stop and to name: a command that is refused space, and
gives back what it had before anybody looks, has only the system's error.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, Protocol

from .disk_count import LEAST
from .exec_channel import KILLED, with_line
from .protocol import Result, SandboxError

TICK = 0.25
"""Seconds between two looks at the free space."""

SOONEST = 0.02
"""The fewest, where a count costs nothing."""

FASTEST = 4 << 30
"""Bytes a second that a disk takes at most."""

UNASKED = 30.0
"""Seconds after which files are counted though the disk has lost nothing."""

REST = 10
"""After counting for some time, this many times as long nothing is counted of the same sandbox."""

UNASKED_REST = 100
"""The same where nothing asked for it."""

SELDOM = 2.0
"""Seconds between two counts where nobody can look at the disk (it is another machine's)."""

DEAR = 0.05
"""Seconds that a count may take on such a disk to be made at each command's end. A dearer one is made SELDOM."""

SLACK = 20
"""A sandbox that was stopped may grow by this part of its limit before it is stopped again: so that files can be
read and deleted in it, which writes a little."""


class Files(Protocol):
    """What a sandbox wrote. The calls may block; they raise OSError or SandboxError where it cannot be told now."""

    disk: Path | None
    """A folder on the disk that the files lie on; None where this process cannot look at it."""

    exact: bool
    """Whether the file system itself keeps count: then a count takes microseconds, and is made at each look."""

    def count(self, enough: int | None) -> int:
        """Bytes on disk; a count may end above `enough`."""
        ...

    def busy(self) -> bool:
        """Whether processes are left that could write though no command runs."""
        ...


@dataclasses.dataclass(eq=False, slots=True)
class Watched:
    """One sandbox. limit in bytes. stop: kills everything in it, with the last line of the running command's output."""

    files: Files
    limit: int
    stop: Callable[[Literal["disk"], str], Awaitable[None]]
    _running: bool = False
    _used: int = 0
    _lost_then: int | None = None
    _due: float = dataclasses.field(default_factory=lambda: time.monotonic() + UNASKED)
    _rests_until: float = 0.0
    _count_took: float = 0.0
    _stood_at: int = 0
    _stops: int = 0
    _checking: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)

    @property
    def excess(self) -> str:
        return f"more than {in_words(self.limit)} of disk was written"

    @property
    def line(self) -> str:
        return f"[killed: {self.excess}]"

    @property
    def _most(self) -> int:
        """Bytes beyond which it is stopped."""
        return self._stood_at + self.limit // SLACK if self._stood_at else self.limit


class DiskWatch:
    """Watches the sandboxes of one backend. Used in the thread of one event loop."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._disks: dict[int, _Disk] = {}
        self._numbers: dict[Path, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def run(self, watched: Watched | None, running: Awaitable[Result]) -> Result:
        """Wait for a command's result while its sandbox is watched (None: it is not)."""
        if watched is None:
            return await running
        self._begin(watched)
        stops_before = watched._stops
        try:
            result = await running
        finally:
            watched._running = False
        if result.ended == "disk":
            async with watched._checking:  # the look that stopped it may not be over
                await self._settle(watched)
        if result.ended not in ("exited", "timeout"):
            return result
        # A look around may have stopped it just when the command ended by itself.
        if not await self._ended_over(watched) and watched._stops == stops_before:
            return result
        output = with_line(result.output, watched.line)
        return dataclasses.replace(result, exit_code=KILLED, ended="disk", output=output)

    async def is_over(self, watched: Watched) -> bool:
        """Whether a sandbox is over its limit now. Nothing is stopped."""
        try:
            return await asyncio.to_thread(watched.files.count, watched.limit) > watched.limit
        except (OSError, SandboxError):
            return False

    def forget(self, watched: Watched | None) -> None:
        """A sandbox was closed, or has nothing in it that could write."""
        if watched is not None:
            self._watched.discard(watched)
            if watched.files.disk is not None:
                self._numbers.pop(watched.files.disk, None)

    async def close(self) -> None:
        self._watched.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _begin(self, watched: Watched) -> None:
        disk = watched.files.disk
        if disk is not None:
            # What came back until now must not hide what is taken from now on.
            lost = self._lost(disk)
            watched._lost_then = lost if watched._lost_then is None else watched._lost_then
        watched._running = True
        self._watched.add(watched)
        if self._task is None or self._task.done():
            if self._task is not None:
                self._task.result()  # an error of its own must not take the limit away silently
            self._task = asyncio.create_task(self._look_around())

    async def _look_around(self) -> None:
        while self._watched:
            await asyncio.sleep(self._pause())
            for watched in list(self._watched):
                try:
                    await self._look_at(watched)
                except (
                    OSError,
                    SandboxError,
                ):  # gone, or an engine that does not answer: its own user hears of it
                    watched._rests_until = time.monotonic() + SELDOM
                    if not watched._running:
                        self.forget(watched)

    def _pause(self) -> float:
        """Seconds until the next look: fewer where a sandbox could be over its limit and gone again before."""
        left = [max(0, one._most - one._used) for one in self._watched if one.files.exact]
        return min(TICK, max(SOONEST, min(left, default=FASTEST) / FASTEST))

    async def _look_at(self, watched: Watched) -> None:
        now = time.monotonic()
        if now >= watched._rests_until and (now >= watched._due or self._may_be_over(watched)):
            await self._stop_if_over(watched)
        if not watched._running and not await asyncio.to_thread(watched.files.busy):
            if not watched._running:
                self.forget(watched)

    async def _ended_over(self, watched: Watched) -> bool:
        """Whether the sandbox is over its limit now that its command has ended; then it was stopped."""
        cheap = watched.files.disk is not None or watched._count_took <= DEAR
        if not cheap and time.monotonic() < watched._rests_until:
            return False
        try:
            return await self._stop_if_over(watched)
        except (OSError, SandboxError):
            # The command's result is worth more than the count, which is made later.
            watched._due = watched._rests_until = 0.0
            return False

    def _may_be_over(self, watched: Watched) -> bool:
        disk = watched.files.disk
        if disk is None:
            return time.monotonic() >= watched._rests_until
        if watched.files.exact:
            return True
        if watched._stood_at:  # it was over once: what others give back must not let it grow
            return True
        return self._lost(disk) - (watched._lost_then or 0) > watched._most - watched._used

    def _lost(self, folder: Path) -> int:
        """Bytes that the disk which holds a folder has lost so far."""
        if folder not in self._numbers:
            self._numbers[folder] = os.stat(folder).st_dev
        number = self._numbers[folder]
        if number not in self._disks:
            self._disks[number] = _Disk()
        return self._disks[number].lost_now(folder)

    async def _stop_if_over(self, watched: Watched) -> bool:
        """Count the sandbox's files and stop it where they are too many; a second look waits for the first."""
        async with watched._checking:
            if not await self._is_over(watched):
                return False
            await self._stop(watched)
            return True

    async def _is_over(self, watched: Watched) -> bool:
        """Count the sandbox's files."""
        disk = watched.files.disk
        lost = self._lost(disk) if disk is not None else 0
        began = time.monotonic()
        used = await asyncio.to_thread(watched.files.count, watched._most)
        now = time.monotonic()
        over = used > watched._most
        watched._used, watched._lost_then, watched._count_took = used, lost, now - began
        watched._rests_until = now + max(REST * (now - began), 0.0 if disk is not None else SELDOM)
        watched._due = now + max(UNASKED, UNASKED_REST * (now - began))
        watched._stood_at = 0 if used <= watched.limit else min(used, watched._stood_at)
        return over

    async def _stop(self, watched: Watched) -> None:
        """Kill everything in it."""
        watched._stops += 1
        with contextlib.suppress(SandboxError):  # it died meanwhile
            await watched.stop("disk", watched.line)
        await self._settle(watched)

    async def _settle(self, watched: Watched) -> None:
        """From now on it may stand where it stands, but not grow."""
        with contextlib.suppress(OSError, SandboxError):
            watched._stood_at = watched._used = await asyncio.to_thread(watched.files.count, None)


class _Disk:
    """The free space of one disk. What comes back does not make up for what is taken."""

    def __init__(self) -> None:
        self._lost, self._free = 0, 0

    def lost_now(self, folder: Path) -> int:
        """Bytes that were taken since it was first looked at. folder: any on it."""
        seen = os.statvfs(folder)
        # Files without content take inodes, of which a disk has not more than it was made with.
        free = seen.f_bfree * seen.f_frsize + seen.f_ffree * LEAST
        self._lost += max(0, self._free - free)
        self._free = free
        return self._lost


def in_words(size: int) -> str:
    """Bytes as people say them: 20 MB, 4.0 GB."""
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"
