"""Naming a command that the kernel ended because its sandbox had used up its memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .exec_channel import with_line
from .inside.cgroups import memory_kills
from .protocol import Result


class MemoryWatch:
    """The count of a sandbox's control groups. folders: the groups'; none: nothing is ever said."""

    def __init__(self, folders: Sequence[str], limit: int | None) -> None:
        self._folders, self._limit = tuple(folders), limit
        self._seen = memory_kills(self._folders)

    def named(self, result: Result) -> Result:
        """The result, as one that memory ended where the kernel has killed for it since the last command.

        A command that succeeded although a child of it was killed is no such one.
        """
        if not self._folders:
            return result
        kills = memory_kills(self._folders)
        killed, self._seen = kills - self._seen, kills
        if killed <= 0 or result.exit_code == 0 or result.ended != "exited":
            return result
        return dataclasses.replace(
            result, ended="memory", output=with_line(result.output, memory_line(self._limit))
        )


def memory_line(limit: int | None) -> str:
    """What the output of such a command ends with. limit: bytes."""
    most = f"more than {limit / 2**30:.1f} GB" if limit else "too much"
    return f"[killed: {most} of memory was used]"
