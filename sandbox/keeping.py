"""What Winnow pulled, built, imported or unpacked: a record beside the layers, and a hold on what is in use.

Two files for each image in `state/.images/`: a record (`.json`), whose time of change is the last use, and a lock
(`.lock`). Whoever uses the image holds the lock shared; pruning takes it alone or passes the image by. The kernel lets
go of a lock when its process ends, however it ends, so that nothing has to be guessed from process ids. What has no
record was there before Winnow (the user pulled it) and is never touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from .layers import refused

Kind = Literal["pulled", "built", "imported", "unpacked"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One image that Winnow has on a disk.

    name: as the user said it (an image's name, a Dockerfile, a folder). tag: the engine's name that goes with it.
    engine: the engine's own id; empty for what is unpacked, which lies with us. size: bytes. run: who used it last.
    """

    kind: Kind
    name: str
    image: str
    tag: str
    engine: str
    size: int
    run: str

    @property
    def key(self) -> str:
        """What makes it the same thing: the names it is used by do not."""
        name = self.name if self.kind == "pulled" else ""
        return hashlib.sha256("\0".join((self.kind, self.engine, self.image, name)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, when it was used last (seconds since the epoch), and whether a living process uses it."""

    kept: Kept
    used: float
    held: bool


class Holds:
    """What one process uses, by one backend or for one preparation. Blocking, safe from several threads."""

    def __init__(self, state: Path) -> None:
        self._folder = state / ".images"
        self._locks: dict[str, int] = {}

    def hold(self, kept: Kept) -> None:
        """Hold an image against pruning until `release`; waits where it is being pruned right now.

        It may be gone then: look after this. Raises CannotStart (DiskFull) where the folder cannot be written.
        """
        if kept.key in self._locks:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _lock(self._folder / f"{kept.key}.lock", fcntl.LOCK_SH)
        except OSError as error:
            raise refused(error, self._folder) from error
        if self._locks.setdefault(kept.key, lock) != lock:
            os.close(lock)  # another thread was first

    def known(self, kept: Kept) -> bool:
        """Whether there is a record: it is Winnow's."""
        return (self._folder / f"{kept.key}.json").is_file()

    def record(self, kept: Kept) -> None:
        """Write that this run uses it now. Call with the hold."""
        try:
            with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".new", delete=False) as file:
                json.dump(asdict(kept), file)
            os.replace(file.name, self._folder / f"{kept.key}.json")
        except OSError as error:
            raise refused(error, self._folder) from error

    def release(self) -> None:
        """Let go of everything, and note that it was used until now."""
        while self._locks:
            key, lock = self._locks.popitem()
            with contextlib.suppress(OSError):
                os.utime(self._folder / f"{key}.json")
            os.close(lock)


def entries(state: Path) -> list[Entry]:
    """Everything on record, the least recently used first."""
    found = []
    for file in (state / ".images").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append((Kept(**json.loads(file.read_text())), file.stat().st_mtime))
    return sorted((Entry(kept, used, _held(state, kept)) for kept, used in found), key=lambda one: one.used)


@contextmanager
def alone(state: Path, kept: Kept) -> Iterator[bool]:
    """Keep everybody else from a recorded image. Yields False where somebody uses it."""
    try:
        lock = _lock(state / ".images" / f"{kept.key}.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(lock)


def forget(state: Path, kept: Kept) -> None:
    """Drop a record; its lock goes with it. Call inside `alone`."""
    for suffix in ("json", "lock"):
        (state / ".images" / f"{kept.key}.{suffix}").unlink(missing_ok=True)


def _held(state: Path, kept: Kept) -> bool:
    with alone(state, kept) as free:
        return not free


def _lock(path: Path, how: int) -> int:
    """A lock on a file that is still there once it is locked. Raises BlockingIOError with LOCK_NB."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, how)
            if os.stat(path).st_ino == os.fstat(lock).st_ino:
                return lock
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # forgotten between the two lines: again, with a new one
