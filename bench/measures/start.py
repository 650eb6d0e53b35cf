"""From the call to a sandbox that takes commands, and closing it again."""

from __future__ import annotations

import asyncio
import time

from ..arms.arm import Arm
from ..workload import Workload
from .figure import Figure, Goal, Samples

FIGURES = {
    "start": Figure("start, one now and then", "ms", 1e3),
    "cold": Figure("start, {starts} in a row, nothing made ready before", "ms", 1e3),
    "close": Figure("close", "ms", 1e3),
}
GOALS = (
    Goal("start", "overlay", 5.0),
    Goal("cold", "overlay", 15.0),
    Goal("start", "docker", 1.1, of="docker-sdk"),
    Goal("cold", "docker", 1.1, of="docker-sdk"),
)
ROUNDS = 1000

PAUSE = 0.1
"""Seconds before each start that is measured alone: an arm that keeps some ready has had time to."""


async def sample(arm: Arm, workload: Workload) -> Samples:
    alone, cold, closing = [], [], []
    for _ in range(workload.size.single_starts):
        await asyncio.sleep(PAUSE)
        begun = time.perf_counter()
        box = await arm.start()
        started = time.perf_counter()
        await box.close()
        alone.append(started - begun)
        closing.append(time.perf_counter() - started)
    boxes = []
    start = getattr(arm, "start_cold", arm.start)
    for _ in range(workload.size.starts):
        begun = time.perf_counter()
        boxes.append(await start())
        cold.append(time.perf_counter() - begun)
    for box in boxes:
        await box.close()
    return {"start": alone, "cold": cold, "close": closing}
