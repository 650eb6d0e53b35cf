"""Waiting in tests for what happens in its own time, on fast machines and slow ones."""

import asyncio
import threading
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


def assert_ends(deed, seconds=PATIENCE / 4):
    """Call `deed` in a thread of its own, which is left behind where it waits for something that never comes."""
    raised = []

    def do():
        try:
            deed()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"it did not end within {seconds:.0f} s"
    if raised:
        raise raised[0]
