"""The bench's processes for all that takes long: each answers in lines of JSON and can be ended at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from .interrupts import Interrupts
from .limits import KILL
from .processes import Family

ROOT = Path(__file__).parents[1]


class NoAnswer(Exception):
    """The message says why: too late, or the process has ended."""


class Child:
    """A process that is given requests on stdin and writes its answers to stdout.

    It leads a session: Ctrl-C at the terminal reaches the bench alone, which ends its processes in good order.
    """

    def __init__(
        self, argv: Sequence[str], *, interrupts: Interrupts, log: TextIO | None = None, temporary: Path
    ) -> None:
        self._interrupts = interrupts
        self._received = b""
        self._process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        self._family = Family(self._process.pid)
        self._gone = False

    def send(self, request: Mapping[str, Any]) -> None:
        """One that has ended takes no request: `answer` says so."""
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next line. Raises NoAnswer, KeyboardInterrupt."""
        end = time.monotonic() + seconds
        while b"\n" not in self._received:
            if not self._readable(end):
                raise NoAnswer(f"it gave no answer in {seconds:.0f} s")
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise NoAnswer(f"its process ended with code {self._process.wait()}")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def stop(self) -> None:
        """Ask it to end, without waiting."""
        if self._gone:
            return
        self._family.look()  # what it started is found by it only while it lives
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait for the end of it and of all that it started, `seconds` at most."""
        end = time.monotonic() + seconds
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            while self._family.look() and time.monotonic() < end:
                time.sleep(0.02)

    def kill(self, seconds: float = KILL) -> bool:
        """Kill what lives of it and of all that it started. -> whether nothing does after `seconds`"""
        if self._gone:  # its number may be another process's by now
            return True
        self._gone = self._family.kill(seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        return self._gone

    def _readable(self, end: float) -> bool:
        """Wait until there is something to read. -> False when it is too late"""
        left = end - time.monotonic()
        with self._interrupts.waiting():
            # None: without end, which is what an unlimited run's infinity means
            ready = select.select(
                [self._process.stdout], [], [], None if left == float("inf") else max(left, 0)
            )
        return bool(ready[0])
