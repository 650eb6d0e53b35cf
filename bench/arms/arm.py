"""The protocol of an arm, and what arms that block share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from ..workload import Workload

T = TypeVar("T")


class Cannot(Exception):
    """This arm has no such thing. The message says why, for the report."""


class Box(Protocol):
    """One sandbox of an arm."""

    async def run(self, command: str) -> tuple[int, str]:
        """Run a shell command in the repository (if there is one). -> exit code, output"""
        ...

    async def write(self, path: str, content: bytes) -> None:
        """Write a file, relative to the repository."""
        ...

    async def close(self) -> None:
        """As its users close it; what that leaves to be done in the background is `Arm.settle`'s."""
        ...


class Arm(Protocol):
    blocking: bool
    """Whether its coroutines block the thread instead of waiting: several at once then take threads."""
    idle: int
    """Idle sandboxes whose memory is measured."""

    async def open(self, workload: Workload) -> None:
        """Make ready what is made once."""
        ...

    async def start(self) -> Box:
        """A running sandbox that takes commands."""
        ...

    async def copy(self) -> Box:
        """A sandbox with a private copy of the prepared repository."""
        ...

    async def settle(self) -> None:
        """End what closing left in the background. Not measured."""
        ...

    async def close(self) -> None: ...


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that blocks instead of waiting, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("an arm that says it blocks has waited")


async def side_by_side(arm: Arm, jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]], width: int) -> list[T]:
    """Run jobs, `width` at once. -> their values, in the order of the jobs"""
    if arm.blocking:
        with ThreadPoolExecutor(width) as threads:
            return list(threads.map(lambda job: finish(job()), jobs))
    slots = asyncio.Semaphore(width)

    async def one(job: Callable[[], Awaitable[T]]) -> T:
        async with slots:
            return await job()

    return list(await asyncio.gather(*(one(job) for job in jobs)))
