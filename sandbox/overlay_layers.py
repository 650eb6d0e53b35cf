"""The folders that one overlay sandbox is stacked from, as the launcher is told of them.

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

from .protocol import CannotStart, World

Mounted = tuple[str, str, tuple[str, ...], str, str]
"""One overlay: where in the sandbox, its staging folder, its lower folders (nearest first), upper and work folder."""


def make_layer(
    folder: Path, layers: tuple[str, ...], sources: tuple[Path, ...], world: World, owner: int
) -> tuple[Mounted, ...]:
    """Make a sandbox's own folders. owner: the host's number of its user 0. -> its overlays, the root first.

    folder: the run's. layers: the sandbox's own, then those below it, last the one that shows the sources.
    """
    made = folder / layers[0]
    made.mkdir()
    for index, source in enumerate(sources):
        for kind in ("upper", "work", "at"):
            (made / f"{kind}{index}").mkdir(mode=0o755)
        upper = made / f"upper{index}"
        if owner:
            os.chown(upper, owner, owner)
        os.chmod(upper, source.stat().st_mode & 0o7777)
    return tuple(
        (
            target,
            f"{layers[0]}/at{index}",
            (*(f"{one}/upper{index}" for one in layers[1:-1]), *_lowest(folder, layers[-1], index)),
            f"{layers[0]}/upper{index}",
            f"{layers[0]}/work{index}",
        )
        for index, target in enumerate(_targets(world))
    )


def shown_below(
    folder: Path, bottom: str, sources: tuple[Path, ...], world: World
) -> list[tuple[str, str, bool]]:
    """What has to be bound into the lowest layer, made ready for it. -> (source, target, read-only) of each"""
    pairs = []
    for index, (source, target) in enumerate(zip(sources, _targets(world), strict=True)):
        behind = _behind(sources[0], target) if index else None
        found = {f"below{index}": source, **({f"behind{index}": behind} if behind else {})}
        for name, path in found.items():
            (folder / bottom / name).mkdir(parents=True)
            pairs.append((str(path.absolute()), str(folder / bottom / name), True))
        if behind:
            _cover_history(folder / bottom / f"covers{index}")
    return pairs


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


def _targets(world: World) -> tuple[str, ...]:
    return ("/", *(posixpath.normpath(place.target) for place in world.places))


def _lowest(folder: Path, bottom: str, index: int) -> tuple[str, ...]:
    """A place's source; below it what the image has there, as on docker: what was built in it stays."""
    lowest = (f"{bottom}/below{index}", f"{bottom}/covers{index}", f"{bottom}/behind{index}")
    return lowest if (folder / lowest[-1]).is_dir() else lowest[:1]


def _behind(root: Path, target: str) -> Path | None:
    """The image's own folder at a place, None where it has none. Links could lead out of the image."""
    at = root
    for part in target.strip("/").split("/"):
        at = at / part
        if at.is_symlink() or not at.is_dir():
            return None
    return at


def _cover_history(folder: Path) -> None:
    """A layer that hides the image's own .git, so that no history shines through the place's (SAFETY 1)."""
    history = folder / ".git"
    history.mkdir(parents=True)
    os.setxattr(history, "trusted.overlay.opaque" if os.geteuid() == 0 else "user.overlay.opaque", b"y")
