"""Patched copies of the prepared repository, one after another, each running a test; and git in a fresh copy."""

from __future__ import annotations

import time

from ..arms.arm import Arm
from ..workload import PATCHED, Workload, value_file
from .figure import Figure, Goal, Samples, spent

FIGURES = {
    "copies": Figure("{copies} patched copies, a test in each", "s"),
    "cpu": Figure("CPU of that", "s"),
    "git": Figure("first `git status` in a copy", "ms", 1e3),
}
GOALS = (Goal("copies", "overlay", 0.4),)
ROUNDS = 20

TEST = 'python3 -B -c "from pkg.value import VALUE; print(VALUE)"'


async def sample(arm: Arm, workload: Workload) -> Samples:
    with spent() as total:
        for value in range(1, workload.size.copies + 1):
            box = await arm.copy()
            try:
                await box.write(PATCHED, value_file(value).encode())
                code, output = await box.run(TEST)
                assert (code, output.strip()) == (0, str(value)), (code, output)
            finally:
                await box.close()
    await arm.settle()
    box = await arm.copy()
    try:
        await box.write(PATCHED, value_file(1).encode())
        begun = time.perf_counter()
        code, output = await box.run("git -c safe.directory=* status --porcelain")
        git = time.perf_counter() - begun
        assert code == 0 and output.split() == ["M", PATCHED], (code, output)
    finally:
        await box.close()
    return {"copies": [total.wall], "cpu": total.cpu, "git": [git]}
