"""A command in a running sandbox: `bash -c true`, and one with much output."""

from __future__ import annotations

import time

from ..arms.arm import Arm
from ..workload import Workload
from .figure import Figure, Goal, Samples

FIGURES = {
    "exec": Figure("`bash -c true`", "ms", 1e3),
    "output": Figure("a command that prints {output_mb} MB", "ms", 1e3),
}
GOALS = (Goal("exec", "overlay", 2.5), Goal("exec", "docker", 2.5))
ROUNDS = 1000


async def sample(arm: Arm, workload: Workload) -> Samples:
    box = await arm.start()
    short, long = [], []
    try:
        for _ in range(3):
            await box.run("bash -c true")
        for _ in range(workload.size.commands):
            begun = time.perf_counter()
            code, _output = await box.run("bash -c true")
            short.append(time.perf_counter() - begun)
            assert code == 0
        begun = time.perf_counter()
        code, output = await box.run(f"head -c {workload.size.output_mb}000000 /dev/zero | tr '\\0' x")
        long.append(time.perf_counter() - begun)
        assert code == 0 and output.startswith("xxx")
    finally:
        await box.close()
    return {"exec": short, "output": long}
