"""Files of a repository's objects, read only when their size is known: a few bytes of a pack may be gigabytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .safe_git import GitFailed, git

_PACK_WINDOW = 16 * 2**20
"""Bytes of a pack that git maps at once where its memory is limited."""
SETTINGS = (f"core.packedGitWindowSize={_PACK_WINDOW}", f"core.packedGitLimit={8 * _PACK_WINDOW}")


class BlobsTooLarge(Exception):
    """The files are larger, together, than what may be read of them."""


def blob_sizes(
    names: Iterable[str], git_dir: Path, *, env: Mapping[str, str] | None = None, memory: int | None = None
) -> dict[str, int]:
    """Bytes of each blob, by its name. Raises GitFailed for what is none."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    sizes = {}
    for line in _cat_file("--batch-check", wanted, git_dir, env, memory).decode().splitlines():
        fields = line.split(" ")
        if len(fields) != 3 or fields[1] != "blob":
            raise GitFailed(f"git cat-file says in {git_dir}: {line}", line)
        sizes[fields[0]] = int(fields[2])
    return sizes


def read_blobs(
    names: Iterable[str],
    git_dir: Path,
    *,
    limit: int,
    env: Mapping[str, str] | None = None,
    memory: int | None = None,
) -> dict[str, bytes]:
    """The blobs by name. Raises BlobsTooLarge where they have more than `limit` bytes, before one is read."""
    sizes = blob_sizes(names, git_dir, env=env, memory=memory)
    if sum(sizes.values()) > limit:
        raise BlobsTooLarge(f"{sum(sizes.values())} bytes are more than {limit}")
    if not sizes:
        return {}
    whole = _cat_file("--batch", sizes, git_dir, env, memory)
    blobs, at = {}, 0
    for name, size in sizes.items():
        start = whole.index(b"\n", at) + 1
        blobs[name] = whole[start : start + size]
        at = start + size + 1
    return blobs


def _cat_file(
    option: str, names: Iterable[str], git_dir: Path, env: Mapping[str, str] | None, memory: int | None
) -> bytes:
    """What `git cat-file` prints for these names, in their order."""
    asked = "".join(f"{name}\n" for name in names).encode()
    return git("cat-file", option, git_dir=git_dir, stdin=asked, env=env, settings=SETTINGS, memory=memory)
