"""Which layers living processes use, so that those that nobody used for a while can be removed.

A process that works with layers holds one file locked, in which it lists them. The lock ends with the process, however
that ends. When a layer was last used, the stamp beside it says (layers.stamp).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..task import Task
from .layers import gate, remove, stamp

KINDS = ("worlds", "images", "repositories", "dependencies", "services", "interpreters", "tools", "clones")
"""Folders of layers. Interpreters that uv downloaded lie in one of them too, under other names, and stay."""
_NAME = re.compile(r"[0-9a-f]{24}")
_USERS = ".in-use"


class Using:
    """The layers below `folder` that this process uses from now on, until `close`."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._file = folder / _USERS / f"{os.getpid()}-{secrets.token_hex(4)}"  # listed by its hyphen
        self._descriptor: int | None = None
        self._noted: set[Path] = set()
        self._lock = threading.Lock()

    def note(self, paths: Iterable[Path]) -> None:
        """Use the layers that these paths lie in; paths elsewhere are nobody's business. Blocks for moments."""
        layers = {found for path in paths if (found := layer_of(self._folder, path))}
        with self._lock:
            for layer in layers - self._noted:
                with contextlib.suppress(FileNotFoundError), gate(layer.parent):
                    os.write(self._opened(), f"{layer}\n".encode("utf-8", "surrogateescape"))
                    stamp(layer).touch()
                self._noted.add(layer)

    def close(self) -> None:
        """From now on they may be removed."""
        if self._descriptor is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
            self._noted.clear()

    def _opened(self) -> int:
        if self._descriptor is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_name(self._file.name.replace("-", "_"))  # locked before anybody looks at it
            self._descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            new.rename(self._file)
        return self._descriptor


def places_of(task: Task) -> tuple[Path, ...]:
    """The folders of the host that a task's sandboxes show."""
    return (task.snapshot.tree, *(place.source for place in task.recipe.places))


def layer_of(folder: Path, path: Path) -> Path | None:
    """The layer below `folder` that a path lies in, None where it lies in none."""
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
    is_layer = len(parts) >= 2 and parts[0] in KINDS and _NAME.fullmatch(parts[1])
    return folder / parts[0] / parts[1] if is_layer else None


@dataclass(frozen=True, slots=True)
class Unused:
    """A layer that nobody uses. name: its place below the folder of all layers; days: since its last use."""

    name: str
    days: float


def prune(folder: Path, days: float, *, really: bool = True) -> list[Unused]:
    """Remove the layers that nobody used for so many days and no living process uses; what they were. Blocks.

    days: at least 1, longer than a build takes: a build says that it uses a layer when it begins to. Whoever needs a
    layer again makes it anew. A world links its files, so removing what it was made from does it no harm.
    """
    if days < 1:
        raise ValueError(f"layers unused for {days:g} days may be in use by a build: say 1 or more")
    found = []
    for kind in KINDS:
        if really:
            _remove_halves(folder / kind, days)
        for layer in sorted((folder / kind).glob("*")):
            if (
                _NAME.fullmatch(layer.name)
                and (unused := _unused(layer)) >= days
                and _take(folder, layer, days, really)
            ):
                found.append(Unused(f"{kind}/{layer.name}", unused))
    return found


def _take(folder: Path, layer: Path, days: float, really: bool) -> bool:
    """Whether nobody uses a layer; then it is removed, under another name first, so that nobody sees half of it."""
    gone = layer.with_name(f".{layer.name}.gone")
    with gate(layer.parent):
        if layer in _in_use(folder) or _unused(layer) < days:
            return False
        if not really:
            return True
        remove(gone)
        layer.rename(gone)
        stamp(layer).unlink(missing_ok=True)
    remove(gone)
    return True


def _remove_halves(folder: Path, days: float) -> None:
    """Remove what a killed making, or a killed removal, left behind."""
    for gone in folder.glob(".*.gone"):
        remove(gone)
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError), (folder / part.name.replace(".part", ".lock")).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (time.time() - part.stat().st_mtime) / 86_400 >= days:
                remove(part)


def _in_use(folder: Path) -> set[Path]:
    """The layers that living processes have noted; lists of dead ones are removed."""
    layers: set[Path] = set()
    for file in (folder / _USERS).glob("*-*"):
        with contextlib.suppress(FileNotFoundError), file.open("rb") as listed:
            try:
                fcntl.flock(listed, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                layers.update(Path(os.fsdecode(line)) for line in listed.read().splitlines())
            else:
                file.unlink()
    return layers


def _unused(layer: Path) -> float:
    """Days since its last use; where that is not known (it was made before there were stamps), since its making."""
    times = []
    for place in (stamp(layer), layer):
        with contextlib.suppress(OSError):
            times.append(place.stat().st_mtime)
    return (time.time() - max(times)) / 86_400 if times else 0.0
