"""Winnow's side of a served gguf file: the process is started, watched, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections import deque
from pathlib import Path

from .errors import Refused

_PROGRAM = Path(__file__).with_name("local_serving.py")
_START = 600.0
"""Seconds in which a model is read: tens of gigabytes from a slow disk."""
_END = 10.0
_CACHE_MIB = 512
"""Memory in MiB in which prompts that lost their slot are kept, so that going on with one is not reading it anew."""
_LAST_LINES = 40


class LocalProcess:
    """A process that serves one model. address: as "http://127.0.0.1:PORT". key: what it takes calls with."""

    def __init__(self, process: asyncio.subprocess.Process, key: str):
        self.address = ""
        self.key = key
        self._process = process
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = asyncio.ensure_future(self._listen())

    @classmethod
    async def begin(cls, path: Path, window: int, slots: int, threads: int | None) -> LocalProcess:
        """Start it and wait until it has read the model. window: tokens of each slot. Raises Refused."""
        key = secrets.token_urlsafe(24)
        asked = {
            "path": str(path),
            "window": window,
            "slots": slots,
            "threads": threads,
            "cache_mib": _CACHE_MIB,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_PROGRAM),
            json.dumps(asked),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "WINNOW_LOCAL_KEY": key},
            start_new_session=True,  # Ctrl-C is Winnow's: replies that are under way are waited for
        )
        server = cls(process, key)
        try:
            await asyncio.wait_for(server._ready(path), _START)
        except BaseException as error:
            await server.close(at_once=True)
            if isinstance(error, TimeoutError):
                raise Refused(f"The model {path} was not read within {_START:g} s.") from None
            raise
        return server

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def how_it_ended(self) -> str:
        """Words on its end: the signal or exit code, and the last line it wrote."""
        code = self._process.returncode
        how = "is running" if code is None else f"ended with code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = f"was ended by {signal.Signals(-code).name}"
        last = self._last_word()
        return f"{how} ({last})" if last else how

    async def ends(self, seconds: float) -> bool:
        """Whether it has ended, or does so within `seconds`."""
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def close(self, at_once: bool = False) -> None:
        """End it."""
        if at_once and self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.wait([self._listening])

    async def _ready(self, path: Path) -> None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        said = json.loads(line) if line else {}
        if "address" in said:
            self.address = said["address"]
            return
        await self._process.wait()
        await self._listening
        why = self._last_word() or said.get("error") or self.how_it_ended
        raise Refused(f"llama.cpp cannot serve {path}: {why.rstrip('.')}.")

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            self._said.append(line.decode("utf-8", "replace").strip())

    def _last_word(self) -> str:
        """The last line that speaks of an error, else none."""
        words = [
            line for line in self._said if any(word in line.lower() for word in ("error", "fail", "unable"))
        ]
        return words[-1][-300:] if words else ""
