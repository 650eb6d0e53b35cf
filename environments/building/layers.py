"""Layers on disk: folders that are made once, named by what they are made from, and shared by runs and processes."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_LOOK_AGAIN = 0.1  # seconds between two looks at a lock that another holds
FORMAT = 1
"""Part of every name: a Winnow that makes layers otherwise gives them other names."""


def name_of(*parts: Any) -> str:
    """A layer's name from what it is made from (anything that JSON can say): 24 hex digits."""
    said = json.dumps([FORMAT, *parts], sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:24]


async def layer(folder: Path, name: str, make: Callable[[Path], Awaitable[None]]) -> Path:
    """The finished layer `folder/name`; where it is not there yet, `make` fills a new folder, which becomes it.

    Whoever wants the same layer meanwhile waits, in this process and in others. A making that was killed left a folder
    of another name, which is removed before it is begun again. Raises what `make` raises.
    """
    finished, growing = folder / name, folder / f".{name}.part"
    if await asyncio.to_thread(finished.is_dir):
        return finished
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with locked(folder / f".{name}.lock"):
        if await asyncio.to_thread(finished.is_dir):
            return finished
        await asyncio.to_thread(remove, growing)
        await asyncio.to_thread(growing.mkdir)
        try:
            await make(growing)
        except BaseException:
            await asyncio.to_thread(remove, growing)
            raise
        growing.rename(finished)
    return finished


@asynccontextmanager
async def locked(file: Path):  # type: ignore[no-untyped-def]
    """Hold a lock that ends with its process. It is asked for again and again: a thread that waited would be lost."""
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOOK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove a folder, those in it that may not be written too. None is no error."""

    def unlock(function: Callable[[str], Any], path: str, _: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
        function(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=unlock)
