"""A child process whose stdin and stdout are pipes for asyncio, started from the thread that runs the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

CHUNK = 1 << 18


class Piped:
    """One process. The thread that makes it must live as long as it: bubblewrap dies with its parent *thread*."""

    def __init__(self, argv: list[str], *, env: Mapping[str, str], log: Path) -> None:
        """Start it. Its stderr goes to the file `log`. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        theirs_in, self._in = os.pipe()
        self._out, theirs_out = os.pipe()
        try:
            with open(log, "wb") as errors:
                # A session of its own: an interrupt at the keyboard is Winnow's to handle, not the sandbox's.
                self._process = subprocess.Popen(
                    argv,
                    env=dict(env),
                    stdin=theirs_in,
                    stdout=theirs_out,
                    stderr=errors,
                    start_new_session=True,
                )
        except OSError:
            os.close(self._in)
            os.close(self._out)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def send(self, data: bytes) -> None:
        """Write all of it. Raises OSError when the process reads no more."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._in, view) :]
            except BlockingIOError:
                await self._ready(self._in, self._loop.add_writer, self._loop.remove_writer)

    async def receive(self) -> bytes:
        """What has come; b"" at the end."""
        while True:
            try:
                return os.read(self._out, CHUNK)
            except BlockingIOError:
                await self._ready(self._out, self._loop.add_reader, self._loop.remove_reader)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    async def ended(self) -> int:
        """Wait until the process is gone. -> its exit code, negative for a signal"""
        if (code := self._process.poll()) is not None:
            return code
        descriptor = os.pidfd_open(self._process.pid)
        try:
            await self._ready(descriptor, self._loop.add_reader, self._loop.remove_reader)
        finally:
            os.close(descriptor)
        return self._process.wait()

    def close(self) -> None:
        """Let go of the pipes. Nobody may be sending or receiving."""
        for name in ("_in", "_out"):
            descriptor = getattr(self, name)
            setattr(self, name, -1)
            if descriptor >= 0:
                os.close(descriptor)

    async def _ready(
        self, descriptor: int, add: Callable[..., None], remove: Callable[[int], object]
    ) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        add(descriptor, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            remove(descriptor)
