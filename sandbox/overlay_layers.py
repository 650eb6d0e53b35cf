"""The folders that one overlay sandbox writes into, and the stack it is made of, as the launcher is told of it.

Option strings of overlayfs break on colons, commas and backslashes and end at 4 KB. So everything named in them is a
short relative path below the run's folder; folders of the user are bound into it by the launcher, where only it and
the sandboxes see them.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .disk_count import LayerFiles
from .disk_watch import Files
from .inside.mounts import DISK
from .layers import remove
from .overlay_bottom import Bottom, targets
from .protocol import CannotStart, World
from .quota_disk import QuotaDisk, QuotaFiles, Subvolume

Mounted = tuple[str, tuple[str, ...], str, str]
"""One overlay: where in the sandbox, its lower folders (nearest first), upper and work folder."""


class Layers:
    """The layers of a run: on a disk of its own that holds each to its limit, or (None) in the run's folder.

    path: where this process finds them.
    """

    def __init__(self, folder: Path, disk: QuotaDisk | None) -> None:
        self._disk = disk
        self.path = folder if disk is None else disk.path
        self._shown = "" if disk is None else f"{DISK}/"
        self._subvolumes: dict[str, Subvolume] = {}

    def make(
        self, layers: tuple[str, ...], bottom: Bottom, world: World, limit: int | None
    ) -> tuple[Mounted, ...]:
        """Make a sandbox's own folders. -> its overlays, the root first.

        layers: the sandbox's own, then those of its ancestors, nearest first. limit: of its disk. Raises OSError.
        """
        own, overlays = layers[0], []
        if self._disk is None:
            (self.path / own).mkdir()
        else:
            self._subvolumes[own] = self._disk.make(own, limit)
        for index, target in enumerate(targets(world)):
            upper, work = self.path / own / f"upper{index}", f"{own}/work{index}"
            os.mkdir(upper)
            os.mkdir(self.path / work)
            if bottom.owner:
                os.chown(upper, bottom.owner, bottom.owner)
            os.chmod(upper, os.stat(bottom.sources[index]).st_mode & 0o7777)
            uppers = tuple(f"{self._shown}{one}/upper{index}" for one in layers)
            overlays.append((target, uppers[1:] + bottom.lower[index], uppers[0], self._shown + work))
        return tuple(overlays)

    def files(self, layer: str, places: int, first: Callable[[], int | None]) -> Files:
        """What a sandbox with so many places writes. first: see LayerFiles."""
        if self._disk is not None:
            return QuotaFiles(self._subvolumes[layer], self._disk, first)
        return LayerFiles([self.path / layer / f"upper{index}" for index in range(1 + places)], first)

    def give_room(self, layer: str) -> None:
        """Let a sandbox that was stopped at its quota write a little, so that files can be read and deleted in it."""
        if layer in self._subvolumes:
            self._subvolumes[layer].hold_to(2)

    def remove(self, layer: str) -> None:
        """Blocks."""
        self._subvolumes.pop(layer, None)
        if self._disk is None:
            remove(self.path / layer)
        else:
            self._disk.destroy(layer)


def check_places(world: World) -> None:
    """Raises CannotStart for places that no sandbox can have."""
    if not world.workdir.startswith("/"):
        raise CannotStart(f"The sandbox's workdir {world.workdir!r} is no absolute path.")
    for place in world.places:
        if not place.source.is_dir():
            raise CannotStart(f"The folder {place.source} cannot be shown in a sandbox: it is no folder.")
        target = posixpath.normpath(place.target)
        if not place.target.startswith("/") or target in ("/", "//", "/proc", "/dev", "/tmp"):
            raise CannotStart(
                f"Nothing can be placed at {place.target!r} of a sandbox: name a folder below the root."
            )
        if target.startswith(("/proc/", "/dev/")):
            raise CannotStart(f"Nothing can be placed at {place.target!r} of a sandbox: it is the kernel's.")


def sayable(env: Mapping[str, Any]) -> dict[str, Any]:
    """An image's variables without those whose names no shell can export."""
    return {name: value for name, value in env.items() if name.isascii() and name.isidentifier()}
