"""What Winnow's two arms share: worlds, copies of a base, and selection's own matrix."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent import Candidate, Script
from environments import Recipe, Task, diff, freeze
from sandbox import Backend, Limits, Root, Sandbox
from selection import UNFIXED, Test, check_applies, run_matrix
from selection.settings import Isolation

from ..workload import AT, PATCHED, PATH, Workload, expected_output, script, value_file
from .arm import Cannot


class WinnowBox:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.write, self.close = sandbox.write, sandbox.close

    async def run(self, command: str) -> tuple[int, str]:
        result = await self.sandbox.run(command)
        return result.exit_code, result.output


class WinnowArm:
    """Everything by the doors that Winnow itself uses. idle: sandboxes whose memory is measured."""

    blocking = False

    def __init__(self, idle: int) -> None:
        self.idle = idle

    async def open_on(self, workload: Workload, backend: Backend, root: Root) -> None:
        self._workload, self.backend = workload, backend
        frozen = Path(workload.folder, f"frozen-{backend.name}")
        snapshot = freeze(workload.repository, frozen, at=AT)
        recipe = Recipe(root=root, languages=("python",), env={"PATH": PATH})
        self._task = Task("bench", "nothing is wrong", snapshot, recipe)
        self._base = await self.backend.start(self._task.world(), name="base", limits=Limits())
        self._number = 0

    async def start(self) -> WinnowBox:
        self._number += 1
        world, name = self._task.world(), f"box-{self._number}"
        return WinnowBox(await self.backend.start(world, name=name, limits=Limits()))

    async def copy(self) -> WinnowBox:
        self._number += 1
        return WinnowBox(await self._base.copy(f"copy-{self._number}"))

    async def matrix(self, fresh: bool) -> None:
        """selection's own matrix: candidates and the unfixed code, times tests. Raises where a cell is wrong."""
        size = self._workload.size
        changed = {f"candidate-{n}": {PATCHED: value_file(n)} for n in range(1, size.columns)}
        candidates = [
            Candidate(name, diff(self._task.snapshot.tree, files), None) for name, files in changed.items()
        ]
        tests = [
            Test(f"test-{n}", Script("python3", script(self._workload.loops, n))) for n in range(size.tests)
        ]
        cells = await run_matrix(
            self._base,
            self._task,
            candidates,
            tests,
            check_applies(self._task, candidates),
            timeout=60.0,
            slots=asyncio.Semaphore(self._workload.width),
            isolation=self._isolation(fresh),
        )
        for value, column in enumerate((UNFIXED, *changed)):
            for number in range(size.tests):
                seen = cells[column, f"test-{number}"]
                assert seen.output == expected_output(number, value), (column, number, seen)

    def _isolation(self, fresh: bool) -> Isolation:
        """What executions share: selection's own choice is one copy for each candidate where copies are dear."""
        if not fresh and self._base.cheap_copies:
            raise Cannot("each execution has a fresh copy, which costs it milliseconds")
        return "fresh" if fresh else "auto"

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        await self.backend.close()
