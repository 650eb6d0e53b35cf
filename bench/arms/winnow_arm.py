"""What Winnow's two arms share: worlds, copies of a base, and selection's own matrix."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent import Candidate, Script
from environments import Recipe, Task, diff, freeze
from sandbox import Backend, Limits, Root, Sandbox
from selection import UNFIXED, Test, check_applies, run_matrix
from selection.settings import Isolation

from ..ground import AT, COLUMNS, PATCHED, PATH, TESTS, Ground, says, script, value_file
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

    async def open_on(self, ground: Ground, backend: Backend, root: Root) -> None:
        self._ground, self.backend = ground, backend
        frozen = Path(ground.folder, f"frozen-{backend.name}")
        snapshot = freeze(ground.repository, frozen, at=AT)
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
        """selection's own matrix: nine candidates and the unfixed code, ten tests. Raises where a cell is wrong."""
        changed = {f"candidate-{n}": {PATCHED: value_file(n)} for n in range(1, COLUMNS)}
        candidates = [
            Candidate(name, diff(self._task.snapshot.tree, files), None) for name, files in changed.items()
        ]
        tests = [Test(f"test-{n}", Script("python3", script(self._ground.loops, n))) for n in range(TESTS)]
        cells = await run_matrix(
            self._base,
            self._task,
            candidates,
            tests,
            check_applies(self._task, candidates),
            timeout=60.0,
            slots=asyncio.Semaphore(self._ground.width),
            isolation=self._isolation(fresh),
        )
        for value, column in enumerate((UNFIXED, *changed)):
            for number in range(TESTS):
                seen = cells[column, f"test-{number}"]
                assert seen.output == says(number, value), (column, number, seen)

    def _isolation(self, fresh: bool) -> Isolation:
        """What executions share: selection's own choice is one copy for each candidate where copies are dear."""
        if not fresh and self._base.cheap_copies:
            raise Cannot("each execution has a fresh copy, which costs it milliseconds")
        return "fresh" if fresh else "auto"

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        await self.backend.close()
