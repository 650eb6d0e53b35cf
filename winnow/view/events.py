"""How a run goes on, as server-sent events: its progress whenever the store says something new of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from store import StoreError, StoreMoved

from .links import Links
from .memory import Memory
from .rendering import Renderer
from .run_page import Progress, progress

EVERY = 1.0
"""Seconds between two looks at the store; a look that took long is followed by a longer rest."""
BREATH = 15.0
"""Seconds after which something is sent all the same, so that a connection that is gone is noticed."""
SHARE = 0.1
"""Of the time, what looks may take."""


async def events(memory: Memory, render: Renderer, run: str) -> AsyncIterator[str]:
    """Events: "progress" with the HTML that replaces it, "issues" where the table has changed, "over" at the end."""
    stamp, table, said = "", None, time.monotonic()
    while True:
        began = time.monotonic()
        now = memory.reader.stamp()
        if now != stamp:
            try:
                found = await run_in_threadpool(progress, memory, run)
            except StoreError as error:
                if not store_failed(error):
                    raise
                await asyncio.sleep(EVERY)  # it moved, or is locked: the next look may see it
                continue
            stamp = now
            html = await run_in_threadpool(render, "progress", Links(), progress=found, live=True)
            yield _event("progress", html)
            said = time.monotonic()
            if _of_table(found) != table:
                if table is not None:
                    yield _event("issues", str(found.over))
                table = _of_table(found)
            if not found.live:
                yield _event("over", found.status)
                return
        elif time.monotonic() - said > BREATH:
            yield ": still here\n\n"
            said = time.monotonic()
            stamp = ""  # a run that was killed writes nothing: its lease tells
        await asyncio.sleep(max(EVERY, (time.monotonic() - began) / SHARE))


def store_failed(error: StoreError) -> bool:
    """Whether the store could not be read, rather than does not hold what was asked for."""
    return isinstance(error, StoreMoved) or error.__cause__ is not None


def _of_table(found: Progress) -> tuple[object, ...]:
    return found.states, found.attempts


def _event(name: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n"
