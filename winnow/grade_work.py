"""Grading many candidates: one prepared world for each instance, many sandboxes of it, each grade kept at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from environments import (
    Grade,
    Instance,
    Reference,
    Task,
    WorldWrong,
    grade_instance,
    not_graded,
    patch_digest,
)
from sandbox import Backend, Limits, SandboxError

from .base import Base

OUTPUT = 32 * 2**20
"""Bytes of a test run's output that are read: large projects print megabytes, and a lost line is a lost result."""


class Worlds(Protocol):
    """Where prepared worlds come from: `environments.building.Builder`."""

    async def task(self, instance: Instance) -> Task: ...


@dataclass(frozen=True)
class Wanted:
    """One candidate to be graded. names: under which its grade is kept; candidates with one patch are run once."""

    patch: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One row of the dataset and what is to be graded by it. dataset: the row's digest, kept in each grade."""

    instance: Instance
    reference: Reference
    wanted: Sequence[Wanted]
    dataset: str


@dataclass(frozen=True)
class Grader:
    """How grading is done. at_once: sandboxes in which tests run, and worlds that are open, at most.

    keep: told of each grade as soon as it is there: (instance id, candidate, grade). world_faults: exceptions of
    `worlds` that mean "this world cannot be made", whose message is a sentence.
    """

    worlds: Worlds
    backend: Backend
    limits: Limits
    keep: Callable[[str, str, Grade], Awaitable[None]]
    tell: Callable[[str], None]
    at_once: int = 2
    repeats: int = 1
    timeout: float | None = None
    world_faults: tuple[type[Exception], ...] = (SandboxError, WorldWrong)

    async def grade_all(self, jobs: Sequence[Job]) -> None:
        """Grade everything. What cannot be graded is a grade that says so; nothing else is unharmed by it."""
        worlds, runs = asyncio.Semaphore(self.at_once), asyncio.Semaphore(self.at_once)
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(self._one_world(job, worlds, runs))

    async def _one_world(self, job: Job, worlds: asyncio.Semaphore, runs: asyncio.Semaphore) -> None:
        async with worlds:
            try:
                task = await self.worlds.task(job.instance)
            except self.world_faults as error:
                for wanted in job.wanted:
                    await self._failed(job, wanted, error)
                return
            base = Base(self.backend, task, self.limits, self.tell)
            try:
                async with asyncio.TaskGroup() as group:
                    for wanted in job.wanted:
                        group.create_task(self._one(job, wanted, base, task, runs))
            finally:
                await base.close()

    async def _one(self, job: Job, wanted: Wanted, base: Base, task: Task, runs: asyncio.Semaphore) -> None:
        async with runs:
            try:
                grade = await grade_instance(
                    base,
                    task,
                    job.reference,
                    wanted.patch,
                    repeats=self.repeats,
                    timeout=self.timeout,
                    dataset=job.dataset,
                )
            except self.world_faults as error:
                await self._failed(job, wanted, error)
                return
        await self._keep(job, wanted, grade)

    async def _failed(self, job: Job, wanted: Wanted, error: Exception) -> None:
        await self._keep(job, wanted, not_graded(str(error), wanted.patch, job.dataset))

    async def _keep(self, job: Job, wanted: Wanted, grade: Grade) -> None:
        for name in wanted.names:
            await self.keep(job.instance.id, name, grade)


def merged(candidates: Mapping[str, str]) -> list[Wanted]:
    """Candidates (name -> patch) with the same patch as one."""
    by_patch: dict[str, list[str]] = {}
    for name, patch in candidates.items():
        by_patch.setdefault(patch_digest(patch), []).append(name)
    return [Wanted(candidates[names[0]], tuple(names)) for names in by_patch.values()]
