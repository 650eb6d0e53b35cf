"""Removing what killed arms left outside of the run's folder: containers, control groups, images of layers.

`python -m bench.leftovers WORKLOAD [ARM]`, a process of its own because an engine may not answer.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time

from sandbox import SandboxError, clean

from . import containers
from .workload import Workload

PAUSE = 0.5
"""Seconds after which an engine has made what a process that was killed meanwhile had requested."""


def remove_leftovers(workload: Workload, arm: str = "") -> None:
    """Remove what the run's dead processes left, of containers only the arm's where one is named."""
    for winnow_run in (workload.overlay_run, workload.cold_run, workload.docker_run):
        with contextlib.suppress(SandboxError):  # its arm is still running
            clean(workload.state, winnow_run)
    if shutil.which("docker"):
        with contextlib.suppress(subprocess.CalledProcessError):  # no engine answers: there are no containers
            containers.remove(workload.run, arm)
            time.sleep(PAUSE)
            containers.remove(workload.run, arm)


if __name__ == "__main__":
    remove_leftovers(Workload.load(sys.argv[1]), *sys.argv[2:])
