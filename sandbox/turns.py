"""One sandbox for many users, one at a time, brought back to its files between them: where a fresh copy is dear.

This is a weaker isolation than a copy for each: what a reset cannot see (see docker_reset.py) goes from one user to the
next. Whoever runs a command is told (`Result.reused`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from .ports import PortHandler
from .protocol import NoPorts, Result, Sandbox, SandboxError


class Lent(Protocol):
    """What is handed on: a sandbox that can be brought back to the files that it had at first."""

    async def run(
        self,
        command: str,
        timeout: float | None,
        cwd: str | None,
        env: Mapping[str, str] | None,
        stdin: bytes,
    ) -> Result: ...

    async def read(self, path: str, limit: int | None) -> bytes: ...

    async def write(self, path: str, content: bytes, mode: int) -> None: ...

    async def bring_back(self) -> bool:
        """End every process and undo what was done to files; False where it cannot be shown that all is undone."""
        ...

    async def close(self) -> None: ...


class Turns:
    """make: starts what is lent, the first time and after one that could not be brought back."""

    def __init__(self, make: Callable[[], Awaitable[Lent]]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self._lent: Lent | None = None
        self._used = False

    async def take(self, name: str) -> Turn:
        """The sandbox, once nobody else has it. name: of the turn."""
        await self._lock.acquire()
        try:
            if self._lent is None:
                self._lent, self._used = await self._make(), False
            turn = Turn(self, self._lent, name, self._used)
            self._used = True
            return turn
        except BaseException:
            self._lock.release()
            raise

    async def give_back(self) -> None:
        """The end of a turn."""
        lent, self._lent = self._lent, None
        try:
            if lent is not None and await lent.bring_back():
                self._lent, lent = lent, None
        finally:
            try:
                if lent is not None:
                    await lent.close()
            finally:
                self._lock.release()

    async def close(self) -> None:
        """Close what is lent, also where somebody still has it."""
        lent, self._lent = self._lent, None
        if lent is not None:
            await lent.close()


class Turn:
    """A sandbox for as long as one user has it. See `protocol.Sandbox`."""

    cheap_copies = False

    def __init__(self, turns: Turns, lent: Lent, name: str, reused: bool) -> None:
        self.name = name
        self._turns, self._lent, self._reused = turns, lent, reused
        self._ending: asyncio.Task[None] | None = None

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """See `Sandbox.run`."""
        result = await self._open().run(command, timeout, cwd, env, stdin)
        return dataclasses.replace(result, reused=self._reused)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        """See `Sandbox.read`."""
        return await self._open().read(path, limit)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """See `Sandbox.write`."""
        await self._open().write(path, content, mode)

    async def forward(self, ports: Mapping[int, PortHandler]) -> None:
        """Never possible: the next user would have the ports too."""
        raise NoPorts(f"Sandbox {self.name} is handed on when it closes: forward ports of a fresh copy.")

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> Sandbox:
        """Never possible: its layer does not last."""
        raise SandboxError(
            f"Sandbox {self.name} is handed on when it closes: copy what it came from, afresh."
        )

    async def close(self) -> None:
        """Bring the sandbox back for the next user. Closing twice is no error."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._turns.give_back())
        await asyncio.shield(self._ending)

    def _open(self) -> Lent:
        if self._ending is not None:
            raise SandboxError(f"Sandbox {self.name} is closed.")
        return self._lent
