"""What all overlay sandboxes of one world stand on: its sources, shown to the launcher once.

A bottom's folder holds, for each overlay of the world (the root is number 0, then its places):
`below` where the launcher binds the source, `behind` and `covers` where an image has files at a place, and `points`,
the empty folders that something is mounted on. Made once, they cost no sandbox a new folder.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .launching import Launcher
from .layers import refused, remove
from .protocol import CannotStart, World

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Bottom:
    """folder: its own, in the run's. lower: the lowest folders of each overlay, the root's first, nearest first.

    env: the image's. owner: the host's number of user 0. shift: whether owners are shifted in it. launcher: who
    shows it.
    """

    folder: str
    sources: tuple[Path, ...]
    lower: tuple[tuple[str, ...], ...]
    env: Mapping[str, str]
    owner: int
    shift: bool
    launcher: Launcher


class Bottoms:
    """The bottoms of one launcher: they live as long as it. folder: the run's."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        self._launcher, self._folder = launcher, folder
        self._known: dict[object, asyncio.Task[Bottom]] = {}

    async def get(
        self, world: World, sources: tuple[Path, ...], env: Mapping[str, str], shown: Iterable[str]
    ) -> Bottom:
        """The bottom of a world. shown: where else something is mounted in it. Raises CannotStart (DiskFull)."""
        try:
            # A folder that was removed and made anew is another one: what is shown of the old one would be empty.
            key = (targets(world), tuple((str(one), one.stat()[1:3]) for one in sources), tuple(shown))
        except OSError as error:
            raise CannotStart(
                f"The folder {error.filename} cannot be shown in a sandbox: {error.strerror}."
            ) from error
        task = self._known.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._known[key] = asyncio.ensure_future(self._make(world, sources, env, tuple(shown)))
        return await asyncio.shield(task)

    async def _make(
        self, world: World, sources: tuple[Path, ...], env: Mapping[str, str], shown: tuple[str, ...]
    ) -> Bottom:
        for shift in (True, False) if self._launcher.owner else (False,):
            name = f"bottom{next(_numbers)}"
            owner = self._launcher.owner if shift else 0
            try:
                pairs, lower = _make_folders(self._folder, name, sources, world, shown, owner)
                shifted = await self._launcher.show(pairs, shift=shift)
            except OSError as error:
                await asyncio.to_thread(remove, self._folder / name)
                raise refused(error, self._folder) from error
            except BaseException:
                await asyncio.to_thread(remove, self._folder / name)
                raise
            if shifted or not shift:
                break
            await asyncio.to_thread(
                remove, self._folder / name
            )  # a disk that cannot shift owners: as they are
        return Bottom(name, sources, lower, env, owner, shift, self._launcher)


def targets(world: World) -> tuple[str, ...]:
    """Where a world's overlays are in the sandbox, the root first."""
    return ("/", *(posixpath.normpath(place.target) for place in world.places))


def _make_folders(
    folder: Path, name: str, sources: tuple[Path, ...], world: World, shown: tuple[str, ...], owner: int
) -> tuple[list[tuple[str, str, bool]], tuple[tuple[str, ...], ...]]:
    """-> (source, target, read-only) of what is to be bound into it; the lowest folders of each overlay"""
    (folder / name).mkdir()
    pairs, lower = [], []
    points = _points(targets(world), shown)
    for index, (source, target) in enumerate(zip(sources, targets(world), strict=True)):
        behind = _behind(sources[0], target) if index else None
        names = [f"below{index}"]
        if behind:
            _cover_history(folder / name / f"covers{index}")
            names += [f"covers{index}", f"behind{index}"]
        for shown_name, path in ((f"below{index}", source), (f"behind{index}", behind)):
            if path is not None:
                (folder / name / shown_name).mkdir()
                pairs.append((str(path.absolute()), str(folder / name / shown_name), True))
        if points[index]:
            _make_points(folder / name / f"points{index}", points[index], owner)
            names.append(f"points{index}")
        lower.append(tuple(f"{name}/{one}" for one in names))
    return pairs, tuple(lower)


def _points(overlays: tuple[str, ...], shown: tuple[str, ...]) -> list[list[str]]:
    """For each overlay the folders in it that something is mounted on."""
    found: list[list[str]] = [[] for _ in overlays]
    for target in (*overlays[1:], *shown, "/dev", "/proc", "/tmp/home"):
        holder = max((one for one in overlays if _below(target, one)), key=len)
        found[overlays.index(holder)].append(posixpath.relpath(target, holder))
    return found


def _below(path: str, target: str) -> bool:
    return path != target and path.startswith(target.rstrip("/") + "/")


def _make_points(folder: Path, points: list[str], owner: int) -> None:
    for point in points:
        (folder / point).mkdir(parents=True, exist_ok=True)
    if owner:
        for path, _, _ in os.walk(folder):
            os.chown(path, owner, owner)


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
