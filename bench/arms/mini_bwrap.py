"""mini-swe-agent's bubblewrap environment: a working folder, and a new bubblewrap for each command."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")

from minisweagent.environments.extra.bubblewrap import BubblewrapEnvironment

from ..workload import Workload
from .arm import Cannot
from .mini_docker import MiniBox


class Arm:
    blocking = True
    idle = 0

    async def open(self, workload: Workload) -> None:
        # Its copies are whole trees: made and removed on a disk, they would slow the other arms for a minute.
        workload.in_memory.mkdir(mode=0o700)
        tempfile.tempdir = str(workload.in_memory)
        if shutil.which("bwrap") is None:
            raise Cannot("bubblewrap is not installed")
        self._workload = workload
        box = await self.start()
        code, output = await box.run("true")
        await box.close()
        if code:
            raise Cannot(f"bubblewrap does not start here: {output.strip()[:100]}")

    async def start(self) -> MiniBox:
        """Makes a folder: the sandbox itself is started anew by each command."""
        return MiniBox(BubblewrapEnvironment(timeout=60))

    async def copy(self) -> MiniBox:
        """It has no copies: `cp -a` into its working folder, as its user would."""
        environment = BubblewrapEnvironment(timeout=60)
        argv = ["cp", "-a", f"{self._workload.repository}/.", str(environment.working_dir)]
        subprocess.run(argv, check=True)
        return MiniBox(environment)

    async def settle(self) -> None:
        pass

    async def close(self) -> None:
        pass
