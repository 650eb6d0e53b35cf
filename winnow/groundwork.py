"""Groundwork of a run's issues: kept in the user's data folder for all runs, and in the journal of whoever used it.

A piece that was found enters the journal like any other answer, so that a resumed issue sees the same, whatever was
made or removed meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from environments import GroundworkFiles, Task, world_digest
from models.protocol import digest
from sandbox import Backend, Limits
from store import Key, Part, Step

from .paths import data_folder
from .pen import Pen

T = TypeVar("T")


def groundwork_files() -> GroundworkFiles:
    """The user's, below the data folder."""
    return GroundworkFiles(data_folder() / "groundwork")


class JournaledGroundwork:
    """See environments.Groundwork. pen: of the trajectory that needs it. world: the world's digest, None where no two
    issues are known to share it; it is asked for when it is needed, in a thread."""

    def __init__(self, files: GroundworkFiles, pen: Pen, world: Callable[[], str | None]):
        self._files = files
        self._pen = pen
        self._world = world

    @classmethod
    def of(
        cls, files: GroundworkFiles, pen: Pen, task: Task, backend: Backend, limits: Limits
    ) -> JournaledGroundwork:
        """For a task in such sandboxes."""
        return cls(files, pen, partial(world_digest, task, backend.name, asdict(limits)))

    async def once(
        self,
        what: str,
        about: Any,
        make: Callable[[], Awaitable[T]],
        *,
        keep: Callable[[T], bool] = lambda found: True,
        pick: Callable[[T], T] = lambda found: found,
    ) -> T:
        """See Groundwork. Whoever wants a piece that is being made waits for it."""
        key = self._pen.key(f"groundwork/{what}")
        text = json.dumps([what, about])
        if step := self._pen.recall(key, _parts(text)):
            said = json.loads(step.answer)
            # What was made here has its own steps in this journal: they answer, and are counted as they were.
            return _as_json(pick(await make())) if said == _HERE else said["found"]
        world = await asyncio.to_thread(self._world)
        if world is None:
            made = await make()
            await self._write(key, text, _HERE)
            return _as_json(pick(made))
        name = self._files.name(world, what, about)
        async with self._files.alone(name):
            found = await asyncio.to_thread(self._files.read, name)
            if found is not None:
                found = pick(found)
                await self._write(key, text, {"found": found})
                return _as_json(found)
            made = await make()
            await self._write(key, text, _HERE)
            if keep(made):
                await asyncio.to_thread(self._files.write, name, made)
            return _as_json(pick(made))

    async def _write(self, key: Key, text: str, said: dict[str, Any]) -> None:
        step = Step(key, "decide", _parts(text), json.dumps(said), 0, 0, 0, None, time.time(), 0.0)
        await self._pen.finish(self._pen.write(step, [Part("groundwork", text)]))


_HERE = {"here": True}
"""What the journal says of a piece that was made by the very trajectory that needed it."""


def _parts(text: str) -> tuple[tuple[str, str], ...]:
    return (("groundwork", digest(text)),)


def _as_json(found: T) -> T:
    """As it is when it comes from a file: lists for tuples."""
    return json.loads(json.dumps(found))
