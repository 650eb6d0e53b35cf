"""Sandboxes with a candidate's patch in them."""

from __future__ import annotations

from environments import Task, write_changes
from sandbox import Sandbox

from .applying import Changed


async def patched(base: Sandbox, name: str, changed: Changed, task: Task) -> Sandbox:
    """A copy of `base` named `name` with these files changed. Where that fails, no copy is left behind."""
    layer = await base.copy(name)
    try:
        await write_changes(layer, task.snapshot, changed)
    except BaseException:
        await layer.close()
        raise
    return layer
