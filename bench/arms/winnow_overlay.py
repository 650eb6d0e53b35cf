"""Winnow's overlay backend, on the host's own root, as `winnow solve` uses it where no image is named."""

from __future__ import annotations

from sandbox import HostRoot, Limits, OverlayBackend

from ..workload import Workload
from .winnow_arm import WinnowArm, WinnowBox


class Arm(WinnowArm):
    def __init__(self) -> None:
        super().__init__(idle=1000)

    async def open(self, workload: Workload) -> None:
        await self.open_on(workload, OverlayBackend(workload.overlay_run, workload.state), HostRoot())
        self._cold = OverlayBackend(workload.cold_run, workload.state, pool=0)

    async def start_cold(self) -> WinnowBox:
        """A start that nothing was made ready for."""
        return WinnowBox(await self._cold.start(self._task.world(), name="cold", limits=Limits()))

    async def close(self) -> None:
        await self._cold.close()
        await super().close()
