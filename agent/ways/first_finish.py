"""Attempts side by side, of which the first that finish end the others: shorter traces are more often right.

Source: First Finish Search (Agarwal et al., 2025, arXiv 2505.18149): of n independent samples the first to end is the
answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from environments import PatchFails, Task, changes_of
from models import Model
from sandbox import Sandbox

from ..candidate import Candidate, Ending
from ..side_by_side import together
from .independent import Maker
from .means import Means


class FirstFinishSettings(BaseModel):
    """When the attempts that are still under way are stopped."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    finishers: int = Field(default=1, ge=1)
    """How many attempts must have submitted a patch before the others are stopped. First Finish Search: 1."""


async def first_finishers(
    means: Means, make: Maker, attempts: int, settings: FirstFinishSettings
) -> list[Candidate]:
    """The first `finishers` of `attempts` that submit a patch; all that were made, where fewer do.

    Who was first is a matter of time, so it is decided once and journaled. Those under way then are stopped where they
    are: what they have asked for is kept and counted, their files are not, since an unfinished trace is no answer here.
    """
    names = [f"attempt-{i}" for i in range(1, attempts + 1)]
    race = _Race(means, make, names, settings.finishers)
    try:
        ended = await means.decide("who finished first", race.run)
    except _NobodyToStop:
        return race.candidates
    first, stopped = ended["first"], ended["stopped"]
    means.tell(
        f"{', '.join(first)} finished first" + (f"; {len(stopped)} others are stopped." * bool(stopped))
    )
    await together([race.end(name) for name in names if name not in stopped])
    await together([_stop(means, name, first) for name in stopped])
    return [candidate for candidate in race.candidates if candidate.id in first]


class _NobodyToStop(Exception):
    """Every attempt came to its end, and too few of them finished: what there is follows from them alone."""


class _Race:
    """Attempts side by side, and what came of those that ended."""

    def __init__(self, means: Means, make: Maker, names: Sequence[str], finishers: int):
        self._means = means
        self._make = make
        self._names = names
        self._finishers = finishers
        self._made: dict[str, Candidate] = {}

    @property
    def candidates(self) -> list[Candidate]:
        """Of the attempts that ended, in their order."""
        return [self._made[name] for name in self._names if name in self._made]

    async def end(self, name: str) -> None:
        """Have the candidate of an attempt that ended: the journal has all of it."""
        if name not in self._made and (candidate := await self._make(name)) is not None:
            self._made[name] = candidate

    async def run(self) -> dict[str, list[str]]:
        """first: who finished first; stopped: who had not ended by then. Raises _NobodyToStop."""
        running = [asyncio.ensure_future(self._make(name)) for name in self._names]
        left, first = set(running), []
        try:
            while left and len(first) < self._finishers:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=running.index):
                    if (candidate := task.result()) is not None:
                        self._made[candidate.id] = candidate
                        if await _finished(self._means.task, candidate):
                            first.append(candidate.id)
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
        if len(first) < self._finishers:
            raise _NobodyToStop
        return {"first": first[: self._finishers], "stopped": [n for n in self._names if n not in self._made]}


async def _finished(task: Task, candidate: Candidate) -> bool:
    """Whether it submitted a patch that changes something and applies."""
    if candidate.ending is not Ending.FINISHED or not candidate.patch.strip():
        return False
    try:
        return bool(await asyncio.to_thread(changes_of, task.snapshot.tree, candidate.patch))
    except PatchFails:
        return False


async def _stop(means: Means, name: str, first: Sequence[str]) -> None:
    """Write down that an attempt was stopped, or is not tried again after the world had ended it."""

    async def work(model: Model, sandbox: Sandbox) -> Candidate:
        return Candidate(name, "", ending=Ending.NOT_NEEDED, detail=f"{', '.join(first)} finished before it")

    await means.make(name, work)
