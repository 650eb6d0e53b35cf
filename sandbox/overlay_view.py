"""What of the host and its kernel is bound into overlay sandboxes, shown to the launcher once and then by name."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from typing import Any

from .host import hidden, host_binds, kernel_binds, whole_root
from .launching import Launcher
from .protocol import HostRoot, Root

Pairs = list[tuple[str, str]]
"""(path as the launcher has it, path in the sandbox) of each bind."""


class View:
    """The binds of one launcher's sandboxes. folder: the run's; what is bound lies below `shown/` there."""

    def __init__(self, launcher: Launcher, folder: Path, without: frozenset[str]) -> None:
        self._launcher, self._folder, self._without = launcher, folder / "shown", without
        self._numbers = itertools.count(1)
        self._known: dict[tuple[str, ...] | str, asyncio.Task[Pairs]] = {}

    def folders(self, root: Root) -> tuple[str, ...]:
        """Where folders are bound into a sandbox with this root. Raises CannotStart."""
        if not isinstance(root, HostRoot):
            return ()
        wanted = whole_root() if "root" in self._without else host_binds(root.extra)
        return tuple(target for source, target in wanted if os.path.isdir(source))

    async def binds(self, root: Root) -> dict[str, Any]:
        """The spec's part of what is bound: binds, covered and proc. Raises CannotStart."""
        proc = [] if "proc" in self._without else await self._once("proc", kernel_binds())
        if not isinstance(root, HostRoot):
            return {"binds": [], "covered": [], "proc": proc}
        if "root" in self._without:
            return {"binds": await self._once("root", whole_root()), "covered": [], "proc": proc}
        shown = await self._once(root.extra, host_binds(root.extra))
        return {"binds": shown, "covered": hidden(), "proc": proc}

    async def _once(self, key: tuple[str, ...] | str, wanted: Pairs) -> Pairs:
        task = self._known.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._known[key] = asyncio.ensure_future(self._shown(next(self._numbers), wanted))
        return await asyncio.shield(task)

    async def _shown(self, number: int, wanted: Pairs) -> Pairs:
        points, pairs = [], []
        for index, (source, target) in enumerate(wanted):
            point = self._folder / f"{number}-{index}"
            _make_point(point, like=source)
            pairs.append((source, str(point), "root" not in self._without))
            points.append((str(point), target))
        await self._launcher.show(pairs, shift=True)
        return points


def _make_point(point: Path, like: str) -> None:
    point.parent.mkdir(exist_ok=True)
    if os.path.isdir(like):
        point.mkdir(exist_ok=True)
    else:
        point.touch()
