"""What an idle sandbox holds of the machine's memory, and how long many take that are started at once."""

from __future__ import annotations

import asyncio
import time

from .. import machine
from ..arms.arm import Arm, side_by_side
from ..workload import Workload
from .figure import Figure, Goal, Samples

FIGURES = {
    "fifty": Figure("{at_once} started at once", "s"),
    "held": Figure("an idle one, by what the machine has less", "MB", 1e-6),
    "pss": Figure("an idle one, by its processes' shares (PSS)", "MB", 1e-6),
    "count": Figure("idle ones counted", ""),
}
GOALS = (Goal("fifty", "overlay", 1.0), Goal("held", "overlay", 4 * 2**30 / 1000 / 1e6))
ROUNDS = 3


async def sample(arm: Arm, workload: Workload) -> Samples:
    if not arm.idle:
        reason = "between commands it has no process"
        return dict.fromkeys(FIGURES, reason)
    begun = time.perf_counter()
    at_once = workload.size.at_once
    boxes = await side_by_side(arm, [arm.start] * at_once, at_once)
    fifty = time.perf_counter() - begun
    await _close(arm, boxes)
    count = min(arm.idle, workload.size.idle)
    await asyncio.sleep(1.0)
    before, processes = machine.available(), machine.processes()
    boxes = await side_by_side(arm, [arm.start] * count, 4)
    await asyncio.sleep(1.0)
    held = before - machine.available()
    new = machine.processes() - processes
    shares = {pid: machine.proportional({pid}) for pid in new}
    await _close(arm, boxes)
    end = time.monotonic() + workload.size.helper_patience
    while new & machine.processes() and time.monotonic() < end:
        await asyncio.sleep(0.2)
    gone = new - machine.processes()  # what others started meanwhile and still runs is not ours
    pss = sum(shares[pid] for pid in gone)
    return {"fifty": [fifty], "held": [held / count], "pss": [pss / count], "count": [count]}


async def _close(arm: Arm, boxes) -> None:
    await side_by_side(arm, [box.close for box in boxes], 8)
    await arm.settle()
