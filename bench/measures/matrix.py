"""The unfixed code and nine patches, times ten tests of 50 ms CPU, as many at once as there are cores."""

from __future__ import annotations

from ..arms.arm import Arm, Cannot, side_by_side
from ..ground import COLUMNS, PATCHED, TESTS, Ground, says, script, value_file
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


async def sample(arm: Arm, ground: Ground) -> Samples:
    found: dict[str, list[float] | str] = {}
    for name in ("fresh", "candidate"):
        try:
            with spent() as total:
                await _matrix(arm, ground, fresh=name == "fresh")
            found[name], found[f"{name}_cpu"] = [total.wall], total.cpu
        except Cannot as reason:
            found[name] = found[f"{name}_cpu"] = str(reason)
        await arm.settle()
    return found


async def prepare(arm: Arm, ground: Ground) -> None:
    """Before anything is measured."""
    if hasattr(arm, "columns"):
        await arm.columns()


async def _matrix(arm: Arm, ground: Ground, *, fresh: bool) -> None:
    if hasattr(arm, "matrix"):
        await arm.matrix(fresh)
    elif hasattr(arm, "columns"):
        boxes = await arm.columns()
        await side_by_side(arm, [_column(arm, ground, n, box) for n, box in enumerate(boxes)], ground.width)
    elif not fresh:
        await side_by_side(arm, [_column(arm, ground, n, None) for n in range(COLUMNS)], ground.width)
    elif type(arm).__module__.rpartition(".")[2] in FRESH:
        jobs = [_execution(arm, ground, n, test) for n in range(COLUMNS) for test in range(TESTS)]
        await side_by_side(arm, jobs, ground.width)
    else:
        raise Cannot("not measured: the bare SDK stands for it")


def _column(arm: Arm, ground: Ground, value: int, made):
    """All tests of one patch in one sandbox, which the floor has made already."""

    async def column() -> None:
        box = made or await arm.copy()
        try:
            await box.write(PATCHED, value_file(value).encode())
            for number in range(TESTS):
                await _test(box, ground, value, number)
        finally:
            await box.close()

    return column


def _execution(arm: Arm, ground: Ground, value: int, number: int):
    async def execution() -> None:
        box = await arm.copy()
        try:
            await box.write(PATCHED, value_file(value).encode())
            await _test(box, ground, value, number)
        finally:
            await box.close()

    return execution


async def _test(box, ground: Ground, value: int, number: int) -> None:
    await box.write("check.py", script(ground.loops, number).encode())
    code, output = await box.run("python3 -B ./check.py")
    assert code == 0 and output.strip() == says(number, value).strip(), (code, output)
