"""The docker command with nothing around it: run, exec, cp, rm."""

from __future__ import annotations

import subprocess
import tempfile

from .. import containers
from ..workload import AT, Workload


class CliBox:
    def __init__(self, container: str) -> None:
        self._container = container

    async def run(self, command: str) -> tuple[int, str]:
        argv = ["docker", "exec", "-w", AT, self._container, "/bin/sh", "-c", command]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    async def write(self, path: str, content: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            argv = ["docker", "cp", "-q", file.name, f"{self._container}:{AT}/{path}"]
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)

    async def close(self) -> None:
        subprocess.run(["docker", "rm", "-f", self._container], check=True, stdout=subprocess.DEVNULL)


class Arm:
    blocking = True
    idle = 20

    async def open(self, workload: Workload) -> None:
        self._workload = workload

    async def start(self) -> CliBox:
        return await self.copy()

    async def copy(self) -> CliBox:
        argv = ["docker", "run", "-d", "--network=none", f"--workdir={AT}"]
        argv += containers.label_options(self._workload.run, "docker-cli")
        argv += [self._workload.prepared, "sleep", "1000000"]
        return CliBox(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip())

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        containers.remove(self._workload.run, "docker-cli")
