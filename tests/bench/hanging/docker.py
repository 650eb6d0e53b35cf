"""Containers by docker's command line, in a process that hangs while one runs."""

from bench.arms import docker_cli

from . import hang


class Arm(docker_cli.Arm):
    async def start(self):
        box = await super().start()
        box.run = self._hang
        return box

    async def _hang(self, command):
        hang()
