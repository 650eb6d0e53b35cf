"""The labels of the bench's containers, by which those of one run, or of one of its arms, are removed."""

from __future__ import annotations

import subprocess

RUN, ARM = "winnow-bench.run", "winnow-bench.arm"


def labels(run: str, arm: str) -> dict[str, str]:
    return {RUN: run, ARM: arm}


def label_options(run: str, arm: str) -> list[str]:
    """The same, for docker's command line."""
    return [f"--label={name}={value}" for name, value in labels(run, arm).items()]


def remove(run: str, arm: str = "") -> int:
    """Remove a run's containers, or those of one of its arms, whatever they do. -> how many there were"""
    listed = ["docker", "ps", "-aq", f"--filter=label={RUN}={run}"]
    if arm:
        listed.append(f"--filter=label={ARM}={arm}")
    ids = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    if ids:
        subprocess.run(["docker", "rm", "-fv", *ids], capture_output=True)
    return len(ids)
