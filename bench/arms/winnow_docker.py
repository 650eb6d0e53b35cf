"""Winnow's docker backend, on the same image as the other docker arms."""

from __future__ import annotations

from sandbox import DockerBackend, Image

from ..ground import Ground
from .winnow_arm import WinnowArm


class Arm(WinnowArm):
    def __init__(self) -> None:
        super().__init__(idle=50)

    async def open(self, ground: Ground) -> None:
        await self.open_on(ground, DockerBackend("bench-docker"), Image(ground.image))
