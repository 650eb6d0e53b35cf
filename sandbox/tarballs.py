"""Tar streams out: a folder packed while it is sent; and whether a folder is still what it was."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .protocol import CannotStart


@contextmanager
def streamed(pack: Callable[[tarfile.TarFile], None]) -> Iterator[IO[bytes]]:
    """A readable stream of the archive that `pack` writes, made while it is read: no temporary file, no memory.

    What `pack` raises is raised here at the end.
    """
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with (
                open(writing, "wb") as out,
                tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar,
            ):
                pack(tar)
        except BrokenPipeError:
            pass  # the reader gave up and says why itself
        except OSError as error:
            failures.append(CannotStart(f"{error.filename or 'a file'} cannot be packed: {error.strerror}"))
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=work, name="winnow-tar", daemon=True)
    worker.start()
    try:
        with open(reading, "rb") as stream:
            yield stream
    finally:
        worker.join()
        if failures:  # what the reader says of an archive that breaks off is no news then
            raise failures[0]


def add_tree(tar: tarfile.TarFile, source: Path, target: str, user: tuple[int, int] | None = None) -> None:
    """Add a folder with modes, links and times as `target`. Sockets and devices are left out.

    user: who shall own what the folder's owner owns (uid, gid); other ids are kept. None: all ids are kept.
    """
    owner = source.stat().st_uid

    def shifted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk() or member.isfifo()):
            return None
        if user is not None and member.uid == owner:
            member.uid, member.gid = user
        member.uname = member.gname = ""  # the other side has names of its own: only numbers mean the same
        return member

    tar.add(source, arcname=target.strip("/") or ".", filter=shifted)


def fingerprint(folder: Path) -> str:
    """A digest of a tree: paths, kinds, modes, owners, sizes, link targets, inodes and times of change.

    Contents are not read: the kernel's change time moves with every write and cannot be set back.
    """
    digest = hashlib.sha256()
    for path, entry in _walk(str(folder), ""):
        about = entry.stat(follow_symlinks=False)
        link = os.readlink(entry.path) if stat.S_ISLNK(about.st_mode) else ""
        size = 0 if stat.S_ISDIR(about.st_mode) else about.st_size
        fields = (
            path,
            about.st_mode,
            about.st_uid,
            about.st_gid,
            size,
            about.st_ino,
            about.st_ctime_ns,
            link,
        )
        digest.update(repr(fields).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _walk(folder: str, inside: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        path = f"{inside}/{entry.name}"
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, path)
