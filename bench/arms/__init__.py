"""The arms: each a way to run commands in isolated copies of a repository, behind one small protocol.

An arm is a module with a class `Arm` (see `arm.py`). It is imported only in the process that runs it: Winnow's and
docker's in our environment, the peers' in theirs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """An arm by name: its title in reports, its module, whether it needs the peers' environment, and an engine."""

    name: str
    title: str
    module: str
    peer: bool = False
    engine: bool = False


ARMS = (
    About("overlay", "Winnow overlay", "bench.arms.winnow_overlay"),
    About("docker", "Winnow docker", "bench.arms.winnow_docker", engine=True),
    About("docker-sdk", "docker SDK, bare", "bench.arms.docker_sdk", engine=True),
    About("docker-cli", "docker CLI, bare", "bench.arms.docker_cli", engine=True),
    About("mini-docker", "mini-swe-agent, docker", "bench.arms.mini_docker", peer=True, engine=True),
    About("mini-bwrap", "mini-swe-agent, bubblewrap", "bench.arms.mini_bwrap", peer=True),
    About("swe-rex", "SWE-ReX, docker", "bench.arms.swe_rex", peer=True, engine=True),
    About("plain", "plain processes (floor)", "bench.arms.plain"),
)
