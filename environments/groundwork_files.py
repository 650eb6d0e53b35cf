"""Pieces of groundwork on disk: a file for each, named by what it is made from, shared by runs and processes."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from .building.layers import locked, name_of


class GroundworkFiles:
    """Pieces below `folder`, which is made when the first one is."""

    def __init__(self, folder: Path):
        self.folder = folder

    def name(self, world: str, what: str, about: Any) -> str:
        """A piece's name: the same for the same work in the same world (`world_digest`)."""
        return f"{name_of('groundwork', world, what, about)}-{what.replace(' ', '-')}"

    def read(self, name: str) -> Any:
        """The piece, None where there is none; its file's time says from now on that it was used now."""
        file = self._file(name)
        try:
            found = json.loads(file.read_bytes())
            os.utime(file)
        except (OSError, ValueError):  # none, or one that a full disk cut off
            return None
        return found

    def write(self, name: str, piece: Any) -> None:
        """Keep a piece. Where that cannot be (the disk is full), it is not kept, and nobody is the worse for it."""
        file = self._file(name)
        growing = file.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(OSError):
            try:
                growing.write_text(json.dumps(piece))
                growing.rename(file)
            finally:
                growing.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Be the only one who makes a piece, in all processes: who wants it too waits, and finds it made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        async with locked(self.folder / f".{name}.lock"):
            yield

    def prune(self, days: float, *, really: bool = True) -> list[str]:
        """Remove the pieces that nobody used for so many days; their names. They are made anew when they are needed."""
        oldest = time.time() - days * 86_400
        gone = []
        for file in sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []:
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < oldest:
                    if really:
                        file.unlink()
                        (self.folder / f".{file.stem}.lock").unlink(missing_ok=True)
                    gone.append(file.stem)
        return gone

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
