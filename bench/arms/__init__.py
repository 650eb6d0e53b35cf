"""The arms: each a way to run commands in isolated copies of a repository, behind one small protocol.

An arm is a module with a class `Arm` (see `arm.py`). It is imported only in the process that runs it: Winnow's and
docker's in our environment, the peers' in theirs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """An arm by name: what a report calls it, its module, whose environment it needs, whether it needs an engine."""

    name: str
    title: str
    module: str
    peer: bool = False
    engine: bool = False


ARMS = (
    About("overlay", "Winnow overlay", "winnow_overlay"),
    About("docker", "Winnow docker", "winnow_docker", engine=True),
    About("docker-sdk", "docker SDK, bare", "docker_sdk", engine=True),
    About("docker-cli", "docker CLI, bare", "docker_cli", engine=True),
    About("mini-docker", "mini-swe-agent, docker", "mini_docker", peer=True, engine=True),
    About("mini-bwrap", "mini-swe-agent, bubblewrap", "mini_bwrap", peer=True),
    About("swe-rex", "SWE-ReX, docker", "swe_rex", peer=True, engine=True),
    About("plain", "plain processes (floor)", "plain"),
)
