"""Winnow's overlay sandboxes, in a process that hangs while one runs."""

from bench.arms import winnow_overlay

from . import hang


class Arm(winnow_overlay.Arm):
    async def start(self):
        box = await super().start()
        box.run = self._hang
        return box

    async def _hang(self, command):
        hang()
