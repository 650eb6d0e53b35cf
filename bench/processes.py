"""A process and all that it started, ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """started: the kernel's word for when, by which a process is told from a later one with the same number."""

    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class Entry:
    parent: int
    session: int
    started: str


class Family:
    """The processes of a session, and their descendants that have sessions of their own.

    A descendant whose parent has ended can no longer be found by it: `look` remembers whom it has seen.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._seen: set[Process] = set()

    def look(self) -> set[Process]:
        """Those that live now."""
        table = _process_table()
        members = {pid for pid, entry in table.items() if entry.session == self._leader}
        members |= {
            seen.pid for seen in self._seen if seen.pid in table and table[seen.pid].started == seen.started
        }
        while more := {pid for pid, entry in table.items() if entry.parent in members} - members:
            members |= more
        living = {Process(pid, table[pid].started) for pid in members}
        self._seen |= living
        return living

    def kill(self, patience: float) -> bool:
        """Kill them until none lives, `patience` seconds at most. -> whether none does"""
        end = time.monotonic() + patience
        while living := self.look():
            if time.monotonic() > end:
                return False
            for process in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.02)
        return True


def _process_table() -> dict[int, Entry]:
    """All processes by number, without those that have ended and are only waited for."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # The command's name may hold spaces and brackets: what follows the last one is split.
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX":
                table[int(name)] = Entry(int(fields[1]), int(fields[3]), fields[19])
    return table
