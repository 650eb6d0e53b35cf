"""The folders that one overlay sandbox writes into, and the stack it is made of, as the launcher is told of it.

Option strings of overlayfs break on colons, commas and backslashes and end at 4 KB. So everything named in them is a
short relative path below the run's folder; folders of the user are bound into it by the launcher, where only it and
the sandboxes see them.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .overlay_bottom import Bottom, targets
from .protocol import CannotStart, World

Mounted = tuple[str, tuple[str, ...], str, str]
"""One overlay: where in the sandbox, its lower folders (nearest first), upper and work folder."""


def make_layer(folder: Path, layers: tuple[str, ...], bottom: Bottom, world: World) -> tuple[Mounted, ...]:
    """Make a sandbox's own folders, in the run's. -> its overlays, the root first.

    layers: the sandbox's own, then those of its ancestors, nearest first. Raises OSError.
    """
    made = folder / layers[0]
    made.mkdir()
    overlays = []
    for index, target in enumerate(targets(world)):
        upper, work = f"{layers[0]}/upper{index}", f"{layers[0]}/work{index}"
        os.mkdir(folder / upper)
        os.mkdir(folder / work)
        if bottom.owner:
            os.chown(folder / upper, bottom.owner, bottom.owner)
        os.chmod(folder / upper, os.stat(bottom.sources[index]).st_mode & 0o7777)
        above = tuple(f"{one}/upper{index}" for one in layers[1:])
        overlays.append((target, above + bottom.lower[index], upper, work))
    return tuple(overlays)


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
