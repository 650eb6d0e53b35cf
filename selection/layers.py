"""Sandboxes with a candidate's patch in them, and work side by side that ends cleanly when one part of it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from environments import Task, write_changes
from sandbox import Sandbox

from .applying import Changed

T = TypeVar("T")


async def patched(base: Sandbox, name: str, changed: Changed, task: Task) -> Sandbox:
    """A copy of `base` named `name` with these files changed. Where that fails, no copy is left behind."""
    layer = await base.copy(name)
    try:
        await write_changes(layer, task.snapshot, changed)
    except BaseException:
        await layer.close()
        raise
    return layer


async def together(work: Sequence[Awaitable[T]]) -> list[T]:
    """asyncio.gather, in its order, but the first failure cancels the others and waits until they have ended."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
