"""One process works on a run at a time: who holds it, whether that one still lives, and taking over from the
dead.

On one machine (one boot, one table of process ids) a holder is alive while its process is, known by id and
start time, so that a killed run can be taken over at once. Elsewhere a holder is alive while it gives a sign
of life; clocks of machines that share a store are taken to agree within seconds.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Row, select

from store import schema
from store.errors import RunBusy

BEAT = 10.0  # seconds between signs of life
EXPIRY = 30.0  # seconds without one after which another machine may take over


@dataclass(frozen=True)
class _Place:
    host: str
    place: str
    pid: int
    pid_started: str


class Leases:
    """The leases of this process, by run. All but `check` runs in the writer's thread."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self._lost: dict[str, RunBusy] = {}

    def take(self, connection: Connection, run: str) -> None:
        """Raises RunBusy where somebody alive holds the run, be it this process."""
        leases = schema.leases
        # Only PostgreSQL locks the row; on SQLite there is no other writer by now.
        connection.execute(select(schema.runs.c.run).where(schema.runs.c.run == run).with_for_update())
        other = connection.execute(select(leases).where(leases.c.run == run)).one_or_none()
        if other is not None and _alive(other):
            raise _busy(other)
        holder, here = uuid.uuid4().hex, _here()
        connection.execute(leases.delete().where(leases.c.run == run))
        connection.execute(
            leases.insert(),
            {
                "run": run,
                "holder": holder,
                "host": here.host,
                "place": here.place,
                "pid": here.pid,
                "pid_started": here.pid_started,
                "beat": time.time(),
            },
        )
        self.held[run] = holder
        self._lost.pop(run, None)

    def give_back(self, connection: Connection, run: str) -> None:
        leases = schema.leases
        mine = (leases.c.run == run) & (leases.c.holder == self.held.pop(run, ""))
        connection.execute(leases.delete().where(mine))

    def beat(self, connection: Connection) -> None:
        """A sign of life for every lease held; one that was taken over is lost from now on."""
        leases = schema.leases
        for run, holder in list(self.held.items()):
            mine = (leases.c.run == run) & (leases.c.holder == holder)
            if connection.execute(leases.update().where(mine).values(beat=time.time())).rowcount:
                continue
            other = connection.execute(select(leases).where(leases.c.run == run)).one_or_none()
            del self.held[run]
            self._lost[run] = _busy(other) if other else RunBusy(f"The lease on run {run} was removed", "", 0)

    def check(self, run: str) -> None:
        """Raises RunBusy where this process had the run and lost it (it slept, say, and another one took
        over).
        """
        if run in self._lost:
            raise self._lost[run]


def holder(connection: Connection, run: str) -> RunBusy | None:
    """Who works on a run now, as the error that another one would get; None where nobody alive does."""
    other = connection.execute(select(schema.leases).where(schema.leases.c.run == run)).one_or_none()
    return _busy(other) if other is not None and _alive(other) else None


def _busy(other: Row) -> RunBusy:
    return RunBusy(
        f"Run {other.run} is being worked on by process {other.pid} on {other.host}: wait for it, or end it "
        f"and resume",
        other.host,
        other.pid,
    )


def _alive(other: Row) -> bool:
    here = _here()
    if (other.host, other.place) != (here.host, here.place):
        return time.time() - other.beat < EXPIRY
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _started(other.pid) == other.pid_started


def _here() -> _Place:
    """This process. Asked each time: a fork has another id."""
    pid = os.getpid()
    return _Place(platform.node(), _process_table(), pid, _started(pid))


@cache
def _process_table() -> str:
    """What tells this machine's process ids from others': the boot, and the namespace they count in."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # no Linux: the host's name must do, with start times that no later boot repeats


def _started(pid: int) -> str:
    """When a process started, in whatever words this system has; "" where it is gone, or dead and not yet
    buried.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
        return subprocess.run(
            ("ps", "-o", "lstart=", "-p", str(pid)), capture_output=True, text=True
        ).stdout.strip()
    # After the command, whose name may hold spaces and brackets: the state first, the start time twentieth.
    fields = re.sub(r"^.*\)", "", stat, flags=re.DOTALL).split()
    return "" if fields[0] in "ZX" else fields[19]
