"""The one sandbox of a task that every attempt is copied from: started once, set up, checked, brought back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Literal

from environments import Task, check, run_setup
from sandbox import Backend, CannotStart, Limits, Sandbox, SandboxDied


class Base:
    """Starts the task's sandbox when the first copy is wanted, and not at all where the journal answers everything.

    tell: receives sentences for people (what the start-up check found).
    """

    def __init__(self, backend: Backend, task: Task, limits: Limits, tell: Callable[[str], None]):
        self._backend = backend
        self._task = task
        self._limits = limits
        self._tell = tell
        self._real: Sandbox | None = None
        self._lock = asyncio.Lock()
        self.name = "base"
        self.cheap_copies = backend.cheap_copies

    async def sandbox(self) -> Base:
        """What `JournaledSandbox` asks its source for: this object, whose only use is `copy`."""
        return self

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> Sandbox:
        """A copy of the prepared state; the base is started anew, once, where it turns out to have died."""
        try:
            return await (await self._prepared()).copy(name, network=network, fresh=fresh)
        except SandboxDied:
            await self.close()
            return await (await self._prepared()).copy(name, network=network, fresh=fresh)

    async def close(self) -> None:
        real, self._real = self._real, None
        if real is not None:
            await real.close()

    async def _prepared(self) -> Sandbox:
        async with self._lock:
            if self._real is None:
                self._real = await self._prepare()
            return self._real

    async def _prepare(self) -> Sandbox:
        """Start, set up (where the recipe has a set-up: the only moment that reaches the package index), check."""
        world = self._task.world()
        if self._task.recipe.setup:
            from environments.building import setup_network

            network = setup_network(self._task.recipe)
            before = dataclasses.replace(world, network="none" if network else "host")
            outer = await self._backend.start(before, name="setup", limits=self._limits)
            try:
                if network is not None:
                    try:
                        await network.attach(outer)
                    except CannotStart as error:  # it may need none
                        self._tell(f"The set-up reaches no package index. {error}")
                        await network.close()
                        network = None
                await run_setup(outer, self._task.recipe, network=network)
                sandbox = await outer.copy("base", network=world.network)
            finally:
                await outer.close()
                if network is not None:
                    await network.close()
        else:
            sandbox = await self._backend.start(world, name="base", limits=self._limits)
        try:
            for note in await check(sandbox, self._task):
                self._tell(note)
        except BaseException:
            await sandbox.close()
            raise
        return sandbox
