"""SWE-ReX: a container with its HTTP server, a bash session in it for commands."""

from __future__ import annotations

import logging
import os

os.environ.setdefault("SWE_REX_LOG_STREAM_LEVEL", "CRITICAL")

from swerex.deployment.docker import DockerDeployment
from swerex.runtime.abstract import BashAction, CreateBashSessionRequest, WriteFileRequest
from swerex.utils.free_port import find_free_port

from .. import containers
from ..image import has_server
from ..workload import AT, Workload
from .arm import Cannot


class RexBox:
    def __init__(self, deployment) -> None:
        self._deployment = deployment

    async def run(self, command: str) -> tuple[int, str]:
        done = await self._deployment.runtime.run_in_session(BashAction(command=command, timeout=60))
        return done.exit_code, done.output

    async def write(self, path: str, content: bytes) -> None:
        text = content.decode("ascii")
        await self._deployment.runtime.write_file(WriteFileRequest(path=f"{AT}/{path}", content=text))

    async def close(self) -> None:
        await self._deployment.stop()


class Arm:
    blocking = False
    idle = 10

    async def open(self, workload: Workload) -> None:
        logging.disable(logging.CRITICAL)
        if not has_server(workload):
            raise Cannot("its server is not in the image: the peers were missing when it was made")
        self._workload = workload

    async def start(self) -> RexBox:
        return await self.copy()

    async def copy(self) -> RexBox:
        """With the host's network, a port each: no bridge is needed, and its `-p` does nothing then."""
        port = find_free_port()
        deployment = DockerDeployment(
            image=self._workload.prepared,
            pull="never",
            port=port,
            startup_timeout=60,
            docker_args=[
                "--network=host",
                *containers.label_options(self._workload.run, "swe-rex"),
                "-e",
                f"SWEREX_PORT={port}",
            ],
        )
        await deployment.start()
        await deployment.runtime.create_session(CreateBashSessionRequest())
        box = RexBox(deployment)
        await box.run(f"cd {AT}")
        return box

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        containers.remove(self._workload.run, "swe-rex")
