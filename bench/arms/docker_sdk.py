"""The docker SDK for Python with nothing around it: create, start, exec_run, put_archive, remove."""

from __future__ import annotations

import io
import tarfile

import docker

from .. import containers
from ..workload import AT, Workload


class SdkBox:
    def __init__(self, container) -> None:
        self._container = container

    async def run(self, command: str) -> tuple[int, str]:
        code, output = self._container.exec_run(["/bin/sh", "-c", command], workdir=AT)
        return code, output.decode("utf-8", "replace")

    async def write(self, path: str, content: bytes) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        self._container.put_archive(AT, packed.getvalue())

    async def close(self) -> None:
        self._container.remove(force=True)


class Arm:
    blocking = True
    idle = 50

    async def open(self, workload: Workload) -> None:
        self._workload = workload
        self._client = docker.from_env(timeout=120, max_pool_size=64)

    async def start(self) -> SdkBox:
        return await self.copy()

    async def copy(self) -> SdkBox:
        """A container of the image with the repository in it: for docker a start and a copy are one."""
        return SdkBox(
            self._client.containers.run(
                self._workload.prepared,
                ["sleep", "1000000"],
                detach=True,
                network_mode="none",
                working_dir=AT,
                labels=containers.labels(self._workload.run, "docker-sdk"),
            )
        )

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        self._client.close()
        containers.remove(self._workload.run, "docker-sdk")
