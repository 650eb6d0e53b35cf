"""A private copy of a folder as it is: an exact list of what goes into it, then one tar to another."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from .safe_git import RepositoryError, host_program
from .secret_files import is_secret

_ROOM = 256 * 2**20  # bytes that stay free on the disk after a copy


@dataclass(slots=True)
class Listing:
    """What a folder holds. paths: relative, parents before their children; the others were left out, and why."""

    paths: list[bytes] = field(default_factory=list)
    sizes: dict[bytes, int] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=list)
    special: list[bytes] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    repositories: list[bytes] = field(default_factory=list)

    def notes(self) -> list[str]:
        said = (
            (self.secrets, "left out as secrets that git does not track"),
            (self.special, "left out as sockets, pipes or devices"),
            (self.unreadable, "left out because this user cannot read them"),
            (self.repositories, "whose files are in the copy as plain files, without their own history"),
        )
        return [f"{_some(paths)} {words}" for paths, words in said if paths]


def list_files(folder: Path, *, tracked: Collection[bytes] = (), skip: Path | None = None) -> Listing:
    """Everything under `folder`, links not followed. tracked: never secrets. skip: a folder that is left out."""
    top = os.fsencode(folder)
    skipped = os.fsencode(skip) if skip else None
    listing = Listing()
    waiting = [b""]
    while waiting:
        parent = waiting.pop()
        try:
            entries = sorted(os.scandir(os.path.join(top, parent)), key=lambda entry: entry.name)
        except OSError:
            listing.unreadable.append(parent)
            continue
        for entry in entries:
            path = os.path.join(parent, entry.name)
            if entry.name.lower() == b".git":
                if parent:
                    listing.repositories.append(parent)
            elif entry.is_symlink():
                listing.paths.append(path)
            elif entry.is_dir():
                if entry.path != skipped:
                    listing.paths.append(path)
                    waiting.append(path)
            else:
                _list_file(listing, path, entry, top, tracked)
    return listing


def _list_file(
    listing: Listing, path: bytes, entry: os.DirEntry[bytes], top: bytes, tracked: Collection[bytes]
) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        listing.special.append(path)
    elif path not in tracked and is_secret(path, top):
        listing.secrets.append(path)
    elif not os.access(entry.path, os.R_OK):
        listing.unreadable.append(path)
    else:
        listing.paths.append(path)
        listing.sizes[path] = status.st_size


def copy_files(source: Path, target: Path, listing: Listing) -> list[str]:
    """Copy what the listing names into the new folder `target`; returns notes. Modes and times kept, not owners.

    Raises RepositoryError: not enough disk, or a copy that is not whole.
    """
    needed, free = sum(listing.sizes.values()), shutil.disk_usage(target).free
    if needed + _ROOM > free:
        raise RepositoryError(
            f"{source} needs {needed / 2**30:.1f} GiB for a private copy and {target} has {free / 2**30:.1f} GiB free: "
            "make room, or move large data files out of the repository"
        )
    # A list of exact names: a secret that appears while the copy runs cannot slip in with its folder.
    names = b"".join(b"./" + path + b"\0" for path in listing.paths)
    pack = [host_program("tar"), "-c", "-f", "-", "--null", "--no-recursion", "-T", "-"]
    unpack = [host_program("tar"), "-x", "-f", "-", "-p", "--no-same-owner", "-C", str(target)]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(unpack, stdin=subprocess.PIPE, stdout=said, stderr=said) as into:
            subprocess.run(pack, input=names, stdout=into.stdin, stderr=said, cwd=source)
        said.seek(0)
        words = said.read()
    missing = [path for path in listing.paths if not os.path.lexists(os.path.join(os.fsencode(target), path))]
    lost = [path for path in missing if os.path.lexists(os.path.join(os.fsencode(source), path))]
    if lost or into.returncode:
        last = words.decode("utf-8", "replace").strip().splitlines() or ["no word why"]
        raise RepositoryError(f"the private copy of {source} is not whole: {last[-1]}")
    shutil.copymode(source, target)
    return [f"{_some(missing)} vanished while the copy was made"] if missing else []


def _some(paths: list[bytes]) -> str:
    shown = ", ".join(ascii(os.fsdecode(path))[1:-1] for path in paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"
