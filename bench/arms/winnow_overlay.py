"""Winnow's overlay backend, on the host's own root, as `winnow solve` uses it where no image is named."""

from __future__ import annotations

from sandbox import HostRoot

from ..ground import Ground
from .winnow_arm import WinnowArm


class Arm(WinnowArm):
    def __init__(self) -> None:
        super().__init__("overlay", idle=1000)

    async def open(self, ground: Ground) -> None:
        await self.open_on(ground, HostRoot())
