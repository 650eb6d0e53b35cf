"""Waiting in tests for what happens in its own time, on fast machines and slow ones."""

import asyncio
import time

PATIENCE = 120.0
"""Seconds after which a test gives up. Many times what the slowest machine needs: only what hangs fails."""

_PAUSE = 0.02


def wait_until(condition, what, patience=PATIENCE):
    """Call `condition` until what it returns is true. -> that; AssertionError with `what` after `patience` seconds."""
    give_up = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < give_up, f"not within {patience:.0f} s: {what}"
        time.sleep(_PAUSE)
    return value


async def wait_until_async(condition, what, patience=PATIENCE):
    """`wait_until` for a test with an event loop, which runs on meanwhile. `condition` is a plain function."""
    give_up = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < give_up, f"not within {patience:.0f} s: {what}"
        await asyncio.sleep(_PAUSE)
    return value
