"""Unpacking an image into a folder, for the overlay backend; and a container that only lends its files."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .docker_client import Engine, plain_errors
from .docker_container import labels
from .extraction import Terms, extract
from .image_facts import CACHE_RUN, ImageFacts, Progress
from .layers import remove
from .protocol import CannotStart, DiskFull

UNPACKED = ".unpacked"
"""The folder of unpacked images, by id: not beside the runs' folders, which are known by a file that is in them."""

HALF = ".unpacking-"
"""How the names of folders begin that are being filled, or emptied: whoever is at it has a lock on the folder."""


def unpacked_folder(state: Path, image_id: str) -> Path:
    return Path(state) / UNPACKED / image_id.rpartition(":")[2]


def unpack(engine: Engine, facts: ImageFacts, state: Path, progress: Progress | None = None) -> Path:
    """The root file system of an image as a folder of `state`; unpacked once per image id. Blocks.

    Modes are kept, owners too where we are root; devices are left out; nothing is written through a link. Safe to call
    from several processes at once: the folder appears whole or not at all. Raises CannotStart, DiskFull.
    """
    target = unpacked_folder(state, facts.id)
    if target.is_dir():
        return target
    # Closed: setuid programs of images are nobody else's.
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(target.parent).free
    if facts.size > free:
        raise DiskFull(
            f"the disk that holds {target.parent} is too full to unpack an image of {facts.size / 1e9:.1f} GB: "
            f"{free / 1e9:.1f} GB are free; free some space (`winnow images --prune`)"
        )
    if progress is not None:
        progress(f"unpacking {next(iter(facts.tags), facts.id[:19])}")
    try:
        with _filling(target.parent) as fresh:
            with plain_errors(), scratch_container(engine, facts.id) as container:
                extract(_Chunks(engine.api.export(container)), fresh, Terms(owners=True))
            fresh.chmod(0o755)
            fresh.rename(target)
    except OSError as error:
        if target.is_dir():  # another process was first
            return target
        if error.errno == errno.ENOSPC:
            raise DiskFull(
                f"the disk that holds {target.parent} is full; free some space (`winnow images --prune`)"
            ) from error
        raise CannotStart(f"an image cannot be unpacked into {target.parent}: {error.strerror}") from error
    return target


def remove_unpacked(folder: Path) -> None:
    """Remove an unpacked image: it is gone at once by its name, its files after it. Blocks."""
    try:
        with _filling(folder.parent) as going:
            folder.rename(going / "root")
    except FileNotFoundError:
        pass


def clean_half_unpacked(state: Path) -> list[str]:
    """Remove the folders of unpackings that were killed. -> a line for each. Blocks."""
    removed = []
    for folder in sorted((Path(state) / UNPACKED).glob(f"{HALF}*")):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
            removed.append(f"half-unpacked image {folder.name}")
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    return removed


@contextmanager
def _filling(state: Path) -> Iterator[Path]:
    """A new folder that this process has a lock on; what is left of it at the end is removed."""
    fresh = Path(tempfile.mkdtemp(prefix=HALF, dir=state))
    lock = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fresh
    finally:
        if fresh.exists():
            remove(fresh)
        os.close(lock)


@contextmanager
def scratch_container(engine: Engine, image: str) -> Iterator[str]:
    """A container that is never started, to read an image's files from; removed at the end."""
    made = engine.api.create_container(image, command=["/bin/sh"], labels=labels(CACHE_RUN, "scratch"))
    try:
        yield made["Id"]
    finally:
        engine.api.remove_container(made["Id"], force=True, v=True)


class _Chunks:
    """An iterator of byte chunks as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = iter(chunks), b""

    def read(self, size: int) -> bytes:
        parts, have = [self._held], len(self._held)
        while have < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._held = data[size:]
        return data[:size]
