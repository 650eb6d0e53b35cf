"""The unfixed code and patches, times tests of 50 ms CPU each, as many at once as there are cores."""

from __future__ import annotations

from ..arms.arm import Arm, Cannot, side_by_side
from ..workload import PATCHED, Workload, expected_output, script, value_file
from .figure import Figure, Goal, Samples, spent

FIGURES = {
    "fresh": Figure("a fresh copy for each execution: wall", "s"),
    "fresh_cpu": Figure("a fresh copy for each execution: CPU", "s"),
    "candidate": Figure("one sandbox for each candidate: wall", "s"),
    "candidate_cpu": Figure("one sandbox for each candidate: CPU", "s"),
}
GOALS = (
    Goal("fresh_cpu", "overlay", 1.15, of="plain"),
    Goal("candidate", "docker", 2.0, of="plain"),
    Goal("candidate_cpu", "docker", 2.0, of="plain"),
)
ROUNDS = 5

FRESH = ("docker_sdk",)
"""Arms without a matrix of their own whose fresh container for each execution is measured: one stands for all."""


async def sample(arm: Arm, workload: Workload) -> Samples:
    samples: dict[str, list[float] | str] = {}
    for name in ("fresh", "candidate"):
        try:
            with spent() as total:
                await _matrix(arm, workload, fresh=name == "fresh")
            samples[name], samples[f"{name}_cpu"] = [total.wall], total.cpu
        except Cannot as reason:
            samples[name] = samples[f"{name}_cpu"] = str(reason)
        await arm.settle()
    return samples


async def prepare(arm: Arm, workload: Workload) -> None:
    """Before anything is measured."""
    if hasattr(arm, "columns"):
        await arm.columns()


async def _matrix(arm: Arm, workload: Workload, *, fresh: bool) -> None:
    columns, tests = range(workload.size.columns), range(workload.size.tests)
    if hasattr(arm, "matrix"):
        await arm.matrix(fresh)
    elif hasattr(arm, "columns"):
        boxes = await arm.columns()
        await side_by_side(
            arm, [_column(arm, workload, n, box) for n, box in enumerate(boxes)], workload.width
        )
    elif not fresh:
        await side_by_side(arm, [_column(arm, workload, n, None) for n in columns], workload.width)
    elif type(arm).__module__.rpartition(".")[2] in FRESH:
        jobs = [_execution(arm, workload, n, test) for n in columns for test in tests]
        await side_by_side(arm, jobs, workload.width)
    else:
        raise Cannot("the bare SDK stands for it")


def _column(arm: Arm, workload: Workload, value: int, made):
    """All tests of one patch in one sandbox, which the floor has made already."""

    async def column() -> None:
        box = made or await arm.copy()
        try:
            await box.write(PATCHED, value_file(value).encode())
            for number in range(workload.size.tests):
                await _test(box, workload, value, number)
        finally:
            await box.close()

    return column


def _execution(arm: Arm, workload: Workload, value: int, number: int):
    async def execution() -> None:
        box = await arm.copy()
        try:
            await box.write(PATCHED, value_file(value).encode())
            await _test(box, workload, value, number)
        finally:
            await box.close()

    return execution


async def _test(box, workload: Workload, value: int, number: int) -> None:
    await box.write("check.py", script(workload.loops, number).encode())
    code, output = await box.run("python3 -B ./check.py")
    assert code == 0 and output.strip() == expected_output(number, value).strip(), (code, output)
