"""Files out of a sandbox: as a tar archive in pieces, unpacked into a folder of the host."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sandbox import Sandbox

from .failures import StepFailed

_PIECE = 32 * 2**20  # bytes that are read at once
_PACK = "/tmp/winnow-pack"
_SECONDS = 1200.0


async def carry_out(sandbox: Sandbox, folder: str, into: Path, *, only: Iterable[str] | None = None) -> None:
    """Copy a sandbox's folder into the host's folder `into`, which is there; modes and times are kept.

    only: paths relative to it, in place of all of it. What comes from a sandbox is not trusted: tar makes no link
    before all files are written, strips what leads out, and takes no owner. Raises StepFailed.
    """
    names = b"".join(os.fsencode(f"./{path}") + b"\0" for path in only) if only is not None else b"./\0"
    await sandbox.write(f"{_PACK}.names", names)
    # In pieces, so that no more than one is in memory.
    recursion = "" if only is None else "--no-recursion"
    script = f"""rm -f {_PACK}.part*; cd {shlex.quote(folder)} &&
tar --null {recursion} -T {_PACK}.names -cf - | split -b {_PIECE} -a 4 - {_PACK}.part && ls {_PACK}.part*"""
    done = await sandbox.run(script, timeout=_SECONDS, cwd="/")
    if done.exit_code:
        raise StepFailed("packing what was built", done.output)
    unpack = ["tar", "-x", "-f", "-", "-p", "--no-same-owner", "-C", str(into)]
    tar = await asyncio.to_thread(
        subprocess.Popen, unpack, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert tar.stdin is not None and tar.stderr is not None
    try:
        for piece in done.output.split():
            if piece.startswith(f"{_PACK}.part"):
                content = await sandbox.read(piece, _PIECE)
                await asyncio.to_thread(tar.stdin.write, content)
                await sandbox.run(f"rm -f {piece}", cwd="/")
    except BrokenPipeError:
        pass
    finally:
        await asyncio.to_thread(tar.communicate)
    if tar.returncode:
        raise StepFailed("unpacking what was built", f"tar ended with {tar.returncode}")
    await asyncio.to_thread(_own, into)


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


def _own(folder: Path) -> None:
    """Folders that could not be removed later are made writable; everything must be readable to be shown."""
    for parent, folders, files in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode | 0o755)
        for name in files:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                mode = os.stat(path).st_mode & 0o777  # no set-user-id bits
                os.chmod(path, mode | 0o444)
