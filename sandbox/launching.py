"""Winnow's side of the launcher: one process for each run's overlay sandboxes (see sandbox/inside/launcher.py)."""

from __future__ import annotations

import array
import asyncio
import contextlib
import itertools
import marshal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .protocol import CannotStart, DiskFull, SandboxDied, SandboxError

START = """import os, sys, types
package = types.ModuleType("sandbox")
package.__path__ = [os.environ.pop("WINNOW_SANDBOX")]
sys.modules["sandbox"] = package
from sandbox.inside.launcher import main
main(int(os.environ.pop("WINNOW_CONTROL")))
"""
"""Runs the launcher without the room's door, which imports ten times as much. The folder comes by the environment,
because a sandbox can read the command line of its first process, and not its environment."""

ANSWER = 60.0
"""Seconds in which the launcher answers, or a sandbox says that it is ready, on the busiest of machines."""

MESSAGE = 1 << 18


@dataclass(slots=True)
class Started:
    """A sandbox's first process: its pid on the host, its stream, and the folders of its control groups, if any."""

    job: int
    pid: int
    stream: socket.socket
    groups: tuple[str, ...]


class Launcher:
    """The launcher of one run. Used in the thread of one event loop. Its end is the end of all its sandboxes."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process, self._control = process, control
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[tuple[Any, ...]]] = {}
        self._starts: dict[int, asyncio.Future[tuple[int, list[str]]]] = {}
        self._ends: dict[int, asyncio.Future[None]] = {}
        self._streams: dict[int, socket.socket] = {}
        self._ready: asyncio.Future[tuple[Any, ...]] = self._loop.create_future()
        self._sending = asyncio.Lock()
        self.gone = False
        self.owner = 0
        self.gives: frozenset[str] = frozenset()
        self.lacks: tuple[str, ...] = ()

    @classmethod
    async def begin(
        cls, run: str, folder: Path, pool: int, without: frozenset[str], disk: str | None = None
    ) -> Launcher:
        """Start it. folder: the run's. pool: how many sandboxes are kept ready to be asked for.

        disk: the device that layers lie on, None where they lie in the folder. Raises CannotStart.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = _spawn(theirs, folder)
        ours.setblocking(False)
        launcher = cls(process, ours)
        launcher._loop.add_reader(ours, launcher._hear)
        try:
            await launcher._send(("setup", run, str(folder), pool, sorted(without), disk))
            owner, gives, lacks = await asyncio.wait_for(launcher._ready, ANSWER)
        except BaseException:
            await launcher.close()
            raise
        launcher.owner, launcher.gives, launcher.lacks = owner, frozenset(gives), tuple(lacks)
        return launcher

    async def show(self, pairs: Sequence[tuple[str, str, bool]], *, shift: bool) -> bool:
        """Bind (source, target, read-only) for all sandboxes to come. -> whether all owners could be shifted.

        Raises CannotStart.
        """
        number = next(self._numbers)
        answer = self._answers[number] = self._loop.create_future()
        await self._send(("show", number, list(pairs), shift))
        (shifted,) = await asyncio.wait_for(answer, ANSWER)
        return shifted

    async def start(self, spec: Mapping[str, Any]) -> Started:
        """A sandbox made to the spec, ready for its first request. Raises CannotStart (DiskFull), SandboxError."""
        job = next(self._numbers)
        self._starts[job] = self._loop.create_future()
        self._ends[job] = self._loop.create_future()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                await self._send(("start", job, dict(spec)), theirs)
            said = await asyncio.wait_for(self._loop.sock_recv(ours, 1), ANSWER)
            if said != b"R":
                raise _refused(await _rest(self._loop, ours) if said else "other it ended at its start")
            pid, groups = await asyncio.wait_for(self._starts[job], ANSWER)
        except BaseException:
            ours.close()
            await asyncio.shield(self.end(job))
            raise
        finally:
            del self._starts[job]
        self._streams[job] = ours
        return Started(job, pid, ours, tuple(groups))

    async def end(self, job: int) -> None:
        """Kill what is left of a sandbox and wait until no process of it is there."""
        with contextlib.suppress(SandboxError):
            await self._send(("kill", job))
            await self.ended(job)
        self._ends.pop(job, None)
        self._streams.pop(job, None)

    async def ended(self, job: int) -> None:
        """Wait until no process of a sandbox is left."""
        if (end := self._ends.get(job)) is not None:
            await asyncio.shield(end)

    async def close(self) -> None:
        """End the launcher and every sandbox of it."""
        if self._control.fileno() < 0:
            return
        self._loop.remove_reader(self._control)
        self._lose()
        self._control.close()
        await asyncio.to_thread(self._process.wait)

    async def _send(self, message: tuple[Any, ...], stream: socket.socket | None = None) -> None:
        data = marshal.dumps(message)
        extra = []
        if stream is not None:
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stream.fileno()]))]
        async with self._sending:
            while True:
                if self.gone:
                    raise SandboxDied("The process that starts overlay sandboxes has ended.")
                try:
                    self._control.sendmsg([data], extra)
                    return
                except BlockingIOError:
                    await asyncio.sleep(0.001)
                except OSError:
                    self._lose()

    def _hear(self) -> None:
        while True:
            try:
                data = self._control.recv(MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._control)
                self._lose()
                return
            what, *rest = marshal.loads(data)
            self._take(what, rest)

    def _take(self, what: str, rest: list[Any]) -> None:
        if what == "ready":
            _answer(self._ready, tuple(rest))
        elif what == "shown":
            _answer(self._answers.pop(rest[0], None), tuple(rest[1:]))
        elif what == "started":
            _answer(self._starts.get(rest[0]), tuple(rest[1:]))
        elif what == "ended":
            _answer(self._ends.get(rest[0]), None)
        elif len(rest) == 1:  # the set-up failed
            _fail(self._ready, _refused(f"other {rest[0]}"))
        else:
            _fail(self._answers.pop(rest[0], None), _refused(f"{rest[1]} {rest[2]}"))

    def _lose(self) -> None:
        """The launcher is gone: nobody gets an answer any more, and the end of its stream ends each sandbox."""
        self.gone = True
        for waiting in (self._ready, *self._answers.values(), *self._starts.values()):
            _fail(waiting, SandboxDied("The process that starts overlay sandboxes has ended."))
        for stream in self._streams.values():
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        for end in self._ends.values():
            _answer(end, None)


def _spawn(theirs: socket.socket, folder: Path) -> subprocess.Popen[bytes]:
    env = {"WINNOW_SANDBOX": str(Path(__file__).parent), "WINNOW_CONTROL": str(theirs.fileno())}
    with open(folder / "launcher.log", "wb") as log:
        return subprocess.Popen(
            ["winnow-sandbox", "-I", "-S", "-c", START],
            executable=sys.executable,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # an interrupt at the keyboard is Winnow's to handle
        )


async def _rest(loop: asyncio.AbstractEventLoop, stream: socket.socket) -> str:
    said = b""
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(stream, 4096):
            said += data
    return said.decode("utf-8", "replace")


def _refused(said: str) -> SandboxError:
    kind, _, words = said.partition(" ")
    if kind == "link":
        return SandboxError(
            "A link lies where the sandbox needs a folder of its own (/tmp, /etc or one on the way to a place)."
        )
    if kind == "disk":
        return DiskFull(
            "The disk that holds the sandboxes' layers is full: free some space, or run `winnow clean`."
        )
    if kind == "shell":
        return CannotStart("The sandbox's root file system has no /bin/sh: choose another image.")
    return CannotStart(
        f"An overlay sandbox cannot be started ({words.strip()}); `winnow doctor` says what is missing."
    )


def _answer(waiting: asyncio.Future[Any] | None, value: object) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(value)


def _fail(waiting: asyncio.Future[Any] | None, error: Exception) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_exception(error)
        waiting.exception()  # looked at: nobody may be waiting
