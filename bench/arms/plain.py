"""The floor: plain processes of the host, no isolation at all, in working trees that were made beforehand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..workload import PATH, Workload

ENV = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/tmp"}


class PlainBox:
    def __init__(self, folder: Path, process: subprocess.Popen | None = None) -> None:
        self._folder, self._process = folder, process

    async def run(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    async def write(self, path: str, content: bytes) -> None:
        (self._folder / path).write_bytes(content)

    async def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Arm:
    blocking = True
    idle = 1000

    async def open(self, workload: Workload) -> None:
        self._workload = workload
        self._tree = workload.folder / "plain"
        shutil.copytree(workload.repository, self._tree, symlinks=True)
        self._columns: list[PlainBox] = []
        self._processes: list[subprocess.Popen] = []

    async def start(self) -> PlainBox:
        """A process that waits: the least that could be called a running sandbox."""
        process = subprocess.Popen(["sleep", "1000000"], env=ENV, cwd=self._tree)
        self._processes.append(process)
        return PlainBox(self._tree, process)

    async def copy(self) -> PlainBox:
        """The one working tree, reset: the cheapest way to a clean tree without isolation; nothing runs beside it."""
        git = "git reset -q --hard && git clean -fdxq"
        subprocess.run(["/bin/sh", "-c", git], cwd=self._tree, env=ENV, check=True)
        return PlainBox(self._tree)

    async def columns(self) -> list[PlainBox]:
        """One tree for each patch, copied before anything is measured: the floor is its processes alone."""
        while len(self._columns) < self._workload.size.columns:
            folder = self._workload.folder / f"column-{len(self._columns)}"
            shutil.copytree(self._workload.repository, folder, symlinks=True)
            self._columns.append(PlainBox(folder))
        return self._columns

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        for process in self._processes:
            process.kill()  # no error where it has ended
            process.wait()
