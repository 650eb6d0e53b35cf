"""Files out of a sandbox: packed there into a tar archive, unpacked here as what a stranger sent."""

from __future__ import annotations

import asyncio
import itertools
import os
import shlex
import shutil
import string
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from sandbox import NotThere, Sandbox
from sandbox.extraction import Terms, WrongArchive, extract

from .failures import StepFailed

_PIECE = 32 * 2**20  # bytes that are read at once
_PACK = "/tmp/winnow-pack"
_SECONDS = 1200.0
_MOST_BYTES = 64 * 2**30
_MOST_MEMBERS = 5_000_000
SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where a sandbox's own programs are looked for, before what a build installed. What they print is still data."""


async def capture(sandbox: Sandbox, folder: str, into: Path, *, only: Iterable[str] | None = None) -> None:
    """Copy a sandbox's folder into the host's folder `into`, which is there; modes and times are kept.

    only: paths relative to it, in place of all of it. What a build made decides what the archive says: see
    sandbox.extraction for what it cannot do. Raises StepFailed, SandboxDied.
    """
    paths = None if only is None else list(only)
    wanted = None if paths is None else frozenset(paths)
    terms = Terms(
        replace=True,
        accept=None if wanted is None else wanted.__contains__,
        most_bytes=_MOST_BYTES,
        most_members=_MOST_MEMBERS,
    )
    await _pack(sandbox, folder, paths)
    reading, writing = os.pipe()
    unpacking = asyncio.create_task(asyncio.to_thread(_unpack, reading, into, terms))
    try:
        async for piece in _pieces(sandbox):
            await asyncio.to_thread(_write_all, writing, piece)
    except BrokenPipeError:
        pass  # the archive was refused: the reason is below
    finally:
        os.close(writing)
        await asyncio.wait({unpacking})
    try:
        unpacking.result()
    except (WrongArchive, OSError) as error:
        raise StepFailed("unpacking what was built", str(error)) from error


async def _pack(sandbox: Sandbox, folder: str, paths: list[str] | None) -> None:
    """Pack in pieces, so that no more than one is in memory here."""
    names = b"./\0" if paths is None else b"".join(os.fsencode(f"./{path}") + b"\0" for path in paths)
    await sandbox.write(f"{_PACK}.names", names)
    recursion = "" if paths is None else "--no-recursion"
    script = f"""PATH={SYSTEM_PATH}; rm -f {_PACK}.part*; cd {shlex.quote(folder)} &&
tar --null {recursion} -T {_PACK}.names -cf - | split -b {_PIECE} -a 4 - {_PACK}.part"""
    done = await sandbox.run(script, timeout=_SECONDS, cwd="/")
    if done.exit_code:
        raise StepFailed("packing what was built", done.output)


async def _pieces(sandbox: Sandbox) -> AsyncIterator[bytes]:
    """The pieces in the order in which `split` names them, each removed once it was read."""
    for letters in itertools.product(string.ascii_lowercase, repeat=4):
        piece = f"{_PACK}.part{''.join(letters)}"
        try:
            content = await sandbox.read(piece, _PIECE)
        except NotThere:
            return
        yield content
        await sandbox.run(f"PATH={SYSTEM_PATH}; rm -f {piece}", cwd="/")


def _unpack(reading: int, into: Path, terms: Terms) -> None:
    with open(reading, "rb") as stream:
        extract(stream, into, terms)
        while stream.read(_PIECE):
            pass  # what follows the end of an archive


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def link_tree(source: Path, target: Path) -> None:
    """A copy of a folder whose files are the same ones on the disk: neither is changed any more."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(source, target)
