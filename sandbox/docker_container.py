"""How a sandbox's container is made: everything that hardens it, in one place, as the engine's own words."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from .docker_client import Engine, Missing
from .docker_disk import quota
from .docker_line import First
from .inside import seccomp
from .owner import owner_label
from .protocol import Limits, World
from .without import limits_without

RUN_LABEL = "winnow.run"
OWNER_LABEL = "winnow.owner"
KIND_LABEL = "winnow.kind"
"""What a labelled thing is: `sandbox`, `scratch` (a helper container), `layer` (goes with its run), or a `cache`
(an image built or imported from the user's files, kept between runs)."""

HOSTNAME = "sandbox"  # the same name as on the overlay backend: it may show in outputs
DEFAULT_ENV = {"HOME": "/tmp/home", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}

IO_URING_REFUSED = 25
"""The engines' version whose filter first refuses io_uring (github.com/moby/moby, pull 46762)."""

# Naming any replaces the engine's own list, so all that the engines from 20.10 to today hide is here; the last line is
# ours: what root may read of all pages and keys, and files that take orders from root, also from one without
# capabilities.
MASKED = (
    "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi "
    "/proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware "
    "/proc/key-users /proc/kpagecgroup /proc/kpagecount /proc/kpageflags /proc/pressure"
).split()


def labels(run: str, kind: str) -> dict[str, str]:
    return {RUN_LABEL: run, OWNER_LABEL: owner_label(), KIND_LABEL: kind}


def container_name(run: str, name: str, number: str) -> str:
    """`winnow-<run>-<name>-<number>` in the characters that the engine allows."""
    return f"{_plain(f'winnow-{run}-{name}')}-{number}"


def image_tag(run: str, rest: str) -> str:
    """A tag for an image of a run, in the characters and the length that a tag may have."""
    return f"r{_plain(run)}-{rest}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", text)[:100]


def environment(world: World, of_image: Mapping[str, str]) -> dict[str, str]:
    """The world's variables over the defaults; what the image sets itself (its PATH) stands where they say nothing."""
    return {**{k: v for k, v in DEFAULT_ENV.items() if k not in of_image}, **world.env}


def create(
    engine: Engine,
    image: str,
    *,
    name: str,
    run: str,
    world: World,
    limits: Limits,
    first: First,
    user: str,
    mounts: tuple[dict[str, Any], ...] = (),
    without: frozenset[str] = frozenset(),
) -> str:
    """Create (not start) a sandbox's container and give its id. without: see without.py.

    first: its first process. One that is attached has an init above it, and its stdin is open once: when the one
    connection to it closes, however its owner came to its end, the channel's shell reads an end of file and kills
    everything, the init ends, and the engine removes the container.
    The log driver is off: the channel's stream would be written to the engine's disk otherwise, without bound.
    """
    api = engine.api
    cores = float(engine.info.get("NCPU") or 1)
    limits = limits_without(limits, without)
    open_network = world.network == "host" or "network" in without
    host = api.create_host_config(
        auto_remove=True,
        init=first.attached,
        network_mode="host" if open_network else "none",
        cap_drop=[] if "capabilities" in without else ["ALL"],
        security_opt=_security(without),
        userns_mode="host" if "ids" in without else None,
        pids_limit=limits.processes,
        mem_limit=limits.memory,
        memswap_limit=limits.memory,  # memory and swap together: no swap on top
        nano_cpus=None if limits.cpus is None else int(min(limits.cpus, cores) * 1e9),
        ulimits=_ulimits(limits),
        storage_opt=_quota(engine, limits),
        pid_mode="host" if "pids" in without else None,
        log_config={"Type": "none", "Config": {}},
        ipc_mode="private",
        mounts=[*mounts, *first.mounts],
    )
    # On control groups of version 1, engines show the host's unless told otherwise. Those before 20.10 know no other.
    host["CgroupnsMode"] = "private"
    host["MaskedPaths"] = [*MASKED]
    if "proc" in without:
        host["MaskedPaths"], host["ReadonlyPaths"] = [], []
    created = api.create_container_from_config(
        {
            **api.create_container_config(
                image,
                command=[],
                entrypoint=list(first.arguments),
                hostname=None if open_network else HOSTNAME,
                environment=dict(first.environment),
                user=user,
                working_dir="/",
                labels=labels(run, "sandbox"),
                stdin_open=first.attached,
                healthcheck={"test": ["NONE"]},  # an image's own health check would run beside our commands
                host_config=host,
            ),
            "AttachStdin": first.attached,
            "AttachStdout": first.attached,
            "AttachStderr": first.attached,
            "StdinOnce": first.attached,
        },
        name=name,
    )
    return created["Id"]


async def lives(engine: Engine, container: str) -> bool:
    """Whether a container runs."""
    try:
        told = await engine.call(engine.api.inspect_container, container)
    except Missing:
        return False
    return told["State"]["Running"]


def _security(without: frozenset[str]) -> list[str]:
    options = [] if "privileges" in without else ["no-new-privileges:true"]
    return [*options, "seccomp=unconfined"] if "seccomp" in without else options


def _version(engine: Engine) -> int:
    said = str(engine.info.get("ServerVersion") or "").partition(".")[0]
    return int(said) if said.isdigit() else IO_URING_REFUSED


def _ulimits(limits: Limits) -> list[dict[str, Any]]:
    wanted = {"core": 0, "nofile": limits.files, "fsize": limits.disk}
    return [
        {"Name": name, "Soft": value, "Hard": value} for name, value in wanted.items() if value is not None
    ]


def _quota(engine: Engine, limits: Limits) -> dict[str, str] | None:
    """A little more than the limit: the watch, which says what happened, comes first."""
    if limits.disk is None or not quota(engine):
        return None
    return {"size": str(limits.disk + limits.disk // 10)}


def lacks(engine: Engine, no_server: str = "") -> tuple[str, ...]:
    """What this engine cannot give, a sentence each. no_server: why its containers have no exec server."""
    info, security = engine.info, " ".join(engine.info.get("SecurityOptions") or ())
    missing = []
    if no_server:
        missing.append(
            f"no exec server ({no_server}): commands are started by a shell that runs as their own user, so code under "
            "test that looks for it could forge their results"
        )
    if "userns" not in security and "rootless" not in security:
        missing.append(
            "no shifted user ids: this Docker daemon does not remap users, so root in a container is the host's root "
            "without capabilities"
        )
    if (
        no_server or seccomp.HERE is None
    ):  # else the exec server puts Winnow's own filter on, whatever the engine's is
        missing += _filter_lacks(engine, security)
    if not info.get("MemoryLimit"):
        missing.append("no memory limit: the memory cgroup is not there")
    if not info.get("SwapLimit"):
        missing.append("no limit on swap: the kernel does not account for it")
    if not info.get("PidsLimit", True):
        missing.append("no limit on processes: the pids cgroup is not there")
    if not info.get("CpuCfsQuota"):
        missing.append("no CPU limit: the CPU cgroup has no quota")
    if no_server:
        missing.append("no limit on all the disk written; one file may not grow beyond it")
    elif not quota(engine):
        seen = engine.local and os.geteuid() == 0
        missing.append(
            "disk space is counted and not held to the limit, because Docker's storage driver "
            f"({info.get('Driver')}) has no quota here: it may be passed for about a second, and for longer by deleted "
            f"files {'whose descriptors wait in a socket' if seen else 'that a process still holds'}"
        )
    return tuple(missing)


def _filter_lacks(engine: Engine, security: str) -> list[str]:
    """What is missing from the engine's own filter of system calls."""
    if "name=seccomp" in security and "profile=unconfined" in security:
        return ["no system call filter: this Docker daemon was started with seccomp unconfined"]
    if "seccomp" not in security:
        return ["no system call filter: this Docker daemon has no seccomp"]
    if _version(engine) < IO_URING_REFUSED:
        return [
            "no refusal of io_uring: this Docker engine's filter of system calls lets it through (engines from 25 on "
            "do not)"
        ]
    return []
