"""Reading files that somebody else put there: never through a link, never waiting for a pipe, never without a bound."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .safe_git import RepositoryError


def read_plain(path: Path | bytes, limit: int) -> bytes | None:
    """A regular file's bytes; None where there is none: nothing at all, a link, a pipe, a folder.

    Raises RepositoryError where it has more than `limit` bytes.
    """
    try:
        # Without O_NONBLOCK a named pipe would be waited for until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = file.read(limit + 1)
    if len(content) > limit:
        raise RepositoryError(
            f"{os.fsdecode(path)} is larger than {limit:,} bytes, which nothing of its kind is"
        )
    return content
