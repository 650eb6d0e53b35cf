"""Winnow's docker backend, on the same image as the other docker arms."""

from __future__ import annotations

from sandbox import DockerBackend, Image

from ..workload import Workload
from .winnow_arm import WinnowArm


class Arm(WinnowArm):
    def __init__(self) -> None:
        super().__init__(idle=50)

    async def open(self, workload: Workload) -> None:
        await self.open_on(workload, DockerBackend(workload.docker_run), Image(workload.image))
