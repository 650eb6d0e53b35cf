"""Layers on disk: folders that are made once, named by what they are made from, and shared by runs and processes."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    if await asyncio.to_thread(_used_now, finished):
        return finished
    async with locked(folder / f".{name}.lock"):
        if await asyncio.to_thread(_used_now, finished):
            return finished
        await asyncio.to_thread(remove, growing)
        await asyncio.to_thread(growing.mkdir)
        try:
            await make(growing)
        except BaseException:
            await asyncio.to_thread(remove, growing)
            raise
        growing.rename(finished)
        await asyncio.to_thread(_used_now, finished)
    return finished


def stamp(layer: Path) -> Path:
    """The file whose time says when a layer was last used."""
    return layer.with_name(f".{layer.name}.used")


@contextmanager
def gate(folder: Path) -> Iterator[None]:
    """One at a time in a folder of layers, for the moment that it takes to say that one is used, or to take it away."""
    descriptor = os.open(folder / ".gate", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _used_now(layer: Path) -> bool:
    """Whether the layer is there; then it is used now."""
    with gate(layer.parent):
        there = layer.is_dir()
        if there:
            stamp(layer).touch()
        return there


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
