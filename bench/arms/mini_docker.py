"""mini-swe-agent's docker environment: a container for each task, a `docker exec` for each command."""

from __future__ import annotations

import base64
import os
import shlex

os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")

from minisweagent.environments.docker import DockerEnvironment

from .. import containers
from ..workload import AT, Workload
from .arm import Cannot


class MiniBox:
    def __init__(self, environment) -> None:
        self._environment = environment

    async def run(self, command: str) -> tuple[int, str]:
        done = self._environment.execute({"command": command})
        return done["returncode"], done["output"]

    async def write(self, path: str, content: bytes) -> None:
        await write_by_command(self, path, content)

    async def close(self) -> None:
        """Its clean-up goes on in the background (`docker stop`, up to 10 s)."""
        self._environment.cleanup()
        if hasattr(self._environment, "container_id"):
            self._environment.container_id = None  # it would clean up once more when collected


async def write_by_command(box, path: str, content: bytes) -> None:
    """The environments have no way to write a file but a command, and the kernel takes 128 KB in one argument."""
    if len(content) > 90_000:
        raise Cannot("its only way to write is a command line, which takes 128 KB")
    coded = base64.b64encode(content).decode()
    code, output = await box.run(f"echo {coded} | base64 -d > {shlex.quote(path)}")
    assert code == 0, output


class Arm:
    blocking = True
    idle = 20

    async def open(self, workload: Workload) -> None:
        self._workload = workload

    async def start(self) -> MiniBox:
        return await self.copy()

    async def copy(self) -> MiniBox:
        """`bash -c` instead of its `bash -lc`: a login shell's profile is not what is measured."""
        return MiniBox(
            DockerEnvironment(
                image=self._workload.prepared,
                cwd=AT,
                timeout=60,
                run_args=[
                    "--rm",
                    "--network=none",
                    *containers.label_options(self._workload.run, "mini-docker"),
                ],
                interpreter=["bash", "-c"],
            )
        )

    async def settle(self) -> None:
        containers.remove(self._workload.run, "mini-docker")

    async def close(self) -> None:
        containers.remove(self._workload.run, "mini-docker")
