"""Unpacking a stranger's archive: nothing lands outside, nothing is written through a link, memory is bounded.

`tarfile` reads the headers; it never writes. Every member is made relative to a descriptor of its folder, and every
folder on the way to it is opened without following links, so that neither `..`, nor an absolute name, nor a link that
an earlier member left in a folder's place leads anywhere.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .protocol import CannotStart

_LONGEST_HEADER = 1 << 18  # bytes; a path has at most 4096, and a member has a path, a link and a few numbers
_PIECE = 1 << 20
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class WrongArchive(CannotStart):
    """An archive that reaches outside, breaks off, or is larger than allowed: it is not unpacked any further."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms an archive is unpacked.

    owners: members keep their numeric owners (where we are root) and all bits of their modes; otherwise they are ours,
    readable by everybody and never set-user-id. replace: what is there already gives way, but for folders; otherwise
    that is an error. accept: the paths that may be in the archive. most_bytes, most_members: of all of it.
    """

    owners: bool = False
    replace: bool = False
    accept: Callable[[str], bool] | None = None
    most_bytes: int | None = None
    most_members: int | None = None


def extract(stream: IO[bytes], folder: Path, terms: Terms) -> None:
    """Unpack a tar archive into `folder`, which is there. Devices, pipes and sockets are left out. Blocks.

    Raises WrongArchive, OSError.
    """
    source = _Headers(stream)
    left_bytes, left_members = terms.most_bytes, terms.most_members
    with _Target(folder, terms) as target:
        try:
            with tarfile.open(fileobj=source, mode="r:") as tar:  # type: ignore[call-overload]
                while (member := tar.next()) is not None:
                    tar.members.clear()  # tarfile would keep them all
                    if left_members is not None and (left_members := left_members - 1) < 0:
                        raise _wrong(f"has more than {terms.most_members:,} members")
                    if left_bytes is not None and (left_bytes := left_bytes - member.size) < 0:
                        raise _wrong(f"holds more than {terms.most_bytes:,} bytes")
                    source.open_data()
                    target.take(tar, member)
                    source.close_data()
            # tarfile ends quietly at a header that it cannot read; a whole archive ends with a block of zeros.
            if source.last != bytes(tarfile.BLOCKSIZE):
                raise _wrong("breaks off")
        except (tarfile.TarError, EOFError, RecursionError, ValueError, OverflowError) as error:
            raise _wrong(f"cannot be read ({error})") from error


def _wrong(what: str) -> WrongArchive:
    return WrongArchive(f"the archive {what}: it is not unpacked")


class _Headers:
    """The stream as tarfile reads it: forwards only, and never more than one member's headers at a time.

    Long names, extended headers and maps of sparse files say themselves how long they are, and tarfile keeps them in
    memory.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._at = stream, 0
        self.last = b""
        self._left: int | None = _LONGEST_HEADER

    def open_data(self) -> None:
        """From now on a member's content is read, in pieces that the reader chooses."""
        self._left = None

    def close_data(self) -> None:
        self._left = _LONGEST_HEADER

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        most = _PIECE if self._left is None else self._left
        if not 0 <= size <= most:
            raise _wrong("has a header that is too long")
        if self._left is not None:
            self._left -= size
        parts, wanted = [], size
        while wanted and (part := self._stream.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        self._at += size - wanted
        self.last = b"".join(parts)
        return self.last

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or position < self._at:
            raise _wrong("leads backwards")
        while self._at < position and (part := self._stream.read(min(_PIECE, position - self._at))):
            self._at += len(part)
        return self._at


class _Target:
    """The folder that is filled."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self._terms = terms
        self._keep_owners = terms.owners and os.geteuid() == 0
        self._top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._inner: tuple[tuple[str, ...], int] = ((), os.dup(self._top))
        self._folders: dict[tuple[str, ...], tarfile.TarInfo] = {}

    def __enter__(self) -> _Target:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        try:
            if kind is None:
                self._finish_folders()
        finally:
            os.close(self._inner[1])
            os.close(self._top)

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Make one member."""
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return
        parts = _parts(member.name)
        if not parts:
            return  # the folder itself
        accept = self._terms.accept
        if accept is not None and not accept("/".join(parts)):
            raise _wrong(f"has {member.name!r}, which nobody asked for")
        *parents, name = parts
        at = self._opened(tuple(parents))
        if member.isdir():
            self._make_folder(at, name, parts, member)
            return
        self._make_room(at, name)
        if member.issym():
            os.symlink(member.linkname, name, dir_fd=at)
            if self._keep_owners:
                os.chown(name, member.uid, member.gid, dir_fd=at, follow_symlinks=False)
        elif member.islnk():
            self._link(member.linkname, tuple(parents), name)
        else:
            self._write(tar, member, at, name)

    def _opened(self, parts: tuple[str, ...]) -> int:
        """A descriptor of a folder below the top, made where it is missing. It stays open until another is wanted."""
        if parts == self._inner[0]:
            return self._inner[1]
        at = os.dup(self._top)
        try:
            for part in parts:
                below = self._below(at, part)
                os.close(at)
                at = below
        except BaseException:
            os.close(at)
            raise
        os.close(self._inner[1])
        self._inner = parts, at
        return at

    @staticmethod
    def _below(at: int, name: str) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=at)
        except FileNotFoundError:
            os.mkdir(name, 0o755, dir_fd=at)
            return os.open(name, _FOLDER, dir_fd=at)
        except NotADirectoryError:
            raise _wrong(f"has files below {name!r}, which is no folder") from None

    def _make_room(self, at: int, name: str) -> None:
        try:
            there = os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not self._terms.replace:
            raise _wrong(f"has {name!r} twice")
        try:
            if stat.S_ISDIR(there.st_mode):
                os.rmdir(name, dir_fd=at)
            else:
                os.unlink(name, dir_fd=at)
        except OSError:
            raise _wrong(f"has {name!r} in the place of a folder with files") from None

    def _make_folder(self, at: int, name: str, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
        try:
            is_there = stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            is_there = False
        if not is_there:
            self._make_room(at, name)
            os.mkdir(name, 0o755, dir_fd=at)
        if self._terms.owners:  # at the end: one that may not be written could not be filled
            self._folders[parts] = member

    def _link(self, named: str, parents: tuple[str, ...], name: str) -> None:
        *folders, last = _parts(named) or ("",)
        source = os.dup(self._opened(tuple(folders)))
        try:
            kind = os.stat(last, dir_fd=source, follow_symlinks=False).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
                raise _wrong(f"links {name!r} to {named!r}, which is no file")
            target = self._opened(parents)
            os.link(last, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            raise _wrong(f"links {name!r} to {named!r}, which is not in it") from None
        finally:
            os.close(source)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, at: int, name: str) -> None:
        content = tar.extractfile(member)
        assert content is not None
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=at)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            while piece := content.read(_PIECE):
                file.write(piece)
            if self._keep_owners:
                os.fchown(descriptor, member.uid, member.gid)
            os.fchmod(descriptor, member.mode & 0o7777 if self._terms.owners else member.mode & 0o777 | 0o444)
            os.utime(descriptor, (member.mtime, member.mtime))

    def _finish_folders(self) -> None:
        """Modes and owners of folders, the deepest first."""
        for parts, member in sorted(self._folders.items(), key=lambda folder: folder[0], reverse=True):
            *parents, name = parts
            at = self._opened(tuple(parents))
            # By its own descriptor: a name could stand for a link.
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            try:
                if self._keep_owners:
                    os.fchown(folder, member.uid, member.gid)
                os.fchmod(folder, member.mode & 0o7777)
            finally:
                os.close(folder)


def _parts(name: str) -> tuple[str, ...]:
    """The names on the way to a member. Raises WrongArchive where they lead out."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts:
        raise _wrong(f"has a path that leaves it ({name!r})")
    return parts
