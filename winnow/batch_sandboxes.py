"""The backend as one issue sees it: a sandbox takes a slot while it lives, a command takes one while it runs.

A sandbox gives its slot back when it is first copied: that ends its processes, so only its files are left. Copies
therefore never wait for what their own parent holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox import Backend, Limits, Result, Sandbox, World

from .batch_slots import Slots
from .configuration import LimitSettings

if TYPE_CHECKING:
    from sandbox import PortHandler


@dataclass(frozen=True)
class Machine:
    """What all issues of a run share of this machine."""

    sandboxes: Slots
    executions: Slots

    @staticmethod
    def of(settings: LimitSettings) -> Machine:
        processors = os.cpu_count() or 1
        return Machine(
            Slots(settings.sandboxes or 8 * processors, nested=True), Slots(settings.executions or processors)
        )


class LimitedBackend:
    """`inner` for the issue `owner`, within the machine's limits."""

    def __init__(self, inner: Backend, machine: Machine, owner: str):
        self.name = inner.name
        self.cheap_copies = inner.cheap_copies
        self._inner = inner
        self._machine = machine
        self._owner = owner

    async def start(self, world: World, *, name: str, limits: Limits) -> Sandbox:
        """See `sandbox.Backend`."""
        slots = self._machine.sandboxes
        await slots.take(self._owner)
        try:
            with slots.busy():
                sandbox = await self._inner.start(world, name=name, limits=limits)
        except BaseException:
            slots.give_back(self._owner)
            raise
        return LimitedSandbox(sandbox, self._machine, self._owner)

    async def close(self) -> None:
        """Nothing: the inner backend is the run's, and serves other issues."""

    async def lacks(self) -> tuple[str, ...]:
        """See `sandbox.Backend`."""
        return await self._inner.lacks()


class LimitedSandbox:
    """`inner`, which holds a slot until it is copied or closed."""

    def __init__(self, inner: Sandbox, machine: Machine, owner: str):
        self.name = inner.name
        self.cheap_copies = inner.cheap_copies
        self._inner = inner
        self._machine = machine
        self._owner = owner
        self._holds = True

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """See `sandbox.Sandbox`. The time limit begins when the command does, not while it waits for its turn."""
        with self._machine.sandboxes.busy():
            async with self._machine.executions.one(self._owner):
                return await self._inner.run(command, timeout=timeout, cwd=cwd, env=env, stdin=stdin)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        """See `sandbox.Sandbox`."""
        with self._machine.sandboxes.busy():
            return await self._inner.read(path, limit)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """See `sandbox.Sandbox`."""
        with self._machine.sandboxes.busy():
            await self._inner.write(path, content, mode)

    async def forward(self, ports: Mapping[int, PortHandler]) -> None:
        """See `sandbox.Sandbox`."""
        await self._inner.forward(ports)

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> Sandbox:
        """See `sandbox.Sandbox`."""
        self._give_back()
        slots = self._machine.sandboxes
        await slots.take(self._owner)
        try:
            with slots.busy():
                sandbox = await self._inner.copy(name, network=network, fresh=fresh)
        except BaseException:
            slots.give_back(self._owner)
            raise
        return LimitedSandbox(sandbox, self._machine, self._owner)

    async def close(self) -> None:
        """See `sandbox.Sandbox`."""
        try:
            with self._machine.sandboxes.busy():
                await self._inner.close()
        finally:
            self._give_back()

    def _give_back(self) -> None:
        if self._holds:
            self._holds = False
            self._machine.sandboxes.give_back(self._owner)
