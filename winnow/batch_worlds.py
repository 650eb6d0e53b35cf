"""From an instance of a dataset to a task with its world: what the batch asks of whoever builds worlds."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from environments import Task, prepare_task
from environments.instance import Instance
from sandbox import Backend

from .configuration import Configuration
from .paths import worlds_folder


class BuildFailed(Exception):
    """A world that cannot be built. lines: of the output, those that matter."""

    def __init__(self, sentence: str, lines: tuple[str, ...] = ()):
        super().__init__(sentence)
        self.sentence = sentence
        self.lines = lines


class Worlds(Protocol):
    """Who makes the world of an instance."""

    async def task(self, instance: Instance) -> Task:
        """The task with its prepared world. Raises BuildFailed."""
        ...


@contextlib.asynccontextmanager
async def open_worlds(
    configuration: Configuration, run: str, backend: Backend, tell: Callable[[str], None]
) -> AsyncIterator[Worlds]:
    """What builds the run's worlds."""
    yield _Checkouts(worlds_folder(run), configuration)


class _Checkouts:
    """Local repositories, frozen as they are and run with the host's own programs."""

    def __init__(self, folder: Path, configuration: Configuration):
        self._folder = folder
        self._repos = configuration.data.repos if configuration.data else None
        self._turns = asyncio.Semaphore(configuration.limits.builds)

    async def task(self, instance: Instance) -> Task:
        source = Path(self._repos or ".") / instance.repo
        if not source.exists():
            raise BuildFailed(f"{instance.place or instance.id}: there is no repository {source}")
        folder = self._folder / instance.id.replace("/", "_")
        shutil.rmtree(folder, ignore_errors=True)
        async with self._turns:
            return await asyncio.to_thread(
                prepare_task,
                source,
                instance.issue,
                folder=folder,
                id=instance.id,
                commit=instance.base_commit or None,
            )
