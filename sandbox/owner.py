"""Who owns a sandbox: a process, named so that another process can tell later whether it still lives.

A bare process id is used again sooner or later, on other machines and in other pid namespaces it means another
process. So the label carries the boot, the pid namespace and the process's start time too.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def owner_label(pid: int | None = None) -> str:
    """`pid@boot/pid-namespace:start` of a process, by default this one."""
    pid = os.getpid() if pid is None else pid
    return f"{pid}@{_where()}:{_started(pid)}"


def lives(label: str) -> bool | None:
    """Whether an owner still lives. None: this process cannot tell (another machine or another pid namespace)."""
    pid, _, rest = label.partition("@")
    where, _, started = rest.rpartition(":")
    if not pid.isdigit() or where != _where():
        return None
    return _started(int(pid)) == started


def _where() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:  # no Linux: the host's name is the best there is
        return f"{platform.node()}/0"


def _started(pid: int) -> str:
    """When a process started, in the system's own words; empty when there is no such process (or a zombie)."""
    try:
        # The command's name may hold spaces and brackets: what follows the last one is split.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
        return shown.stdout.strip().replace(" ", "_").replace(":", "-")
