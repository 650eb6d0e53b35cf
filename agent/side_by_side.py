"""Work side by side that ends cleanly when one part of it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def together(work: Sequence[Awaitable[T]]) -> list[T]:
    """The results, in order. The first failure cancels the others, once, and waits for their end before it is raised.

    asyncio.gather leaves the others running then; cancelled itself, it goes on before they have ended, and whoever
    cancels them again cuts short what they still have to write down.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    if not tasks:
        return []
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error  # the cause, not the cancellations that it brought about
    return [task.result() for task in tasks]
