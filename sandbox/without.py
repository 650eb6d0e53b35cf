"""Protections that a test takes away by name, to show that the attack it stands against then succeeds.

A backend is handed `without` by tests only; nothing of a configuration or a command line reaches it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from .protocol import Limits

PROTECTIONS = frozenset(
    (
        "network memory processes cpus files disk output time seccomp capabilities privileges ids proc root pids quota"
    ).split()
)
"""network: none of its own. memory, processes, cpus, files, disk, output, time: the limits. seccomp: the filter of
system calls. capabilities: none kept. privileges: none to be had (no_new_privs). ids: shifted user ids. proc: what
of /proc is hidden or read-only. root: the allow-list of the host's root, read-only. pids: a process table of its own.
quota: the kernel's own count of what a sandbox writes, and its refusal of more.
"""

FOREVER = 1e9
"""Seconds of a command that has no time limit."""


def checked(without: Iterable[str]) -> frozenset[str]:
    """The names as a set. Raises ValueError for one that is no protection: its test would prove nothing."""
    names = frozenset(without)
    if unknown := names - PROTECTIONS:
        raise ValueError(f"{', '.join(sorted(unknown))}: no such protection; there are {sorted(PROTECTIONS)}")
    return names


def limits_without(limits: Limits, without: frozenset[str]) -> Limits:
    """The limits that are left when some are taken away."""
    left = {name: None for name in ("memory", "processes", "cpus", "files", "disk") if name in without}
    if "output" in without:
        left["output"] = 1 << 40
    if "time" in without:
        left["timeout"] = FOREVER
    return dataclasses.replace(limits, **left)


def timeout_without(timeout: float | None, limits: Limits, without: frozenset[str]) -> float:
    """The seconds that a command gets which asked for `timeout`."""
    if "time" in without:
        return FOREVER
    return limits.timeout if timeout is None else timeout
