"""What the whole machine spent and holds: CPU seconds, memory, processes. Linux only."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from pathlib import Path

_CHARGED = Path("/sys/fs/cgroup/cpuacct/cpuacct.usage")


def cpu_seconds() -> float:
    """CPU seconds of all processes of the machine so far: the engine's and its helpers' too.

    With control groups v1 what the scheduler charged to the root group (nanoseconds); else /proc/stat, which counts
    in hundredths of a second, without idle, waiting and stolen time.
    """
    with contextlib.suppress(OSError):
        return int(_CHARGED.read_text()) / 1e9
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _wait, irq, soft = fields[:7]
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def idle_rate(seconds: float = 0.3) -> float:
    """CPU seconds a second that the machine spends when we do nothing: other people's work."""
    before, begun = cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    return (cpu_seconds() - before) / (time.perf_counter() - begun)


def wait_for_calm(patience: float, rate: float = 0.1) -> bool:
    """Wait until others use less than `rate` cores, `patience` seconds at most. -> whether they do"""
    end = time.monotonic() + patience
    while idle_rate(0.2) > rate:
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def available() -> int:
    """Bytes of memory that new work could have (MemAvailable)."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/meminfo has no MemAvailable")


def processes() -> set[int]:
    return {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}


def proportional(pids: set[int]) -> int:
    """Bytes that these processes hold, shared pages in shares (PSS). Processes that ended count nothing."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def described() -> str:
    """This machine in one line."""
    model = ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    system = ""
    with contextlib.suppress(OSError):
        lines = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
        system = lines.get("PRETTY_NAME", "").strip('"')
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    user = "root" if os.geteuid() == 0 else "an ordinary user"
    return (
        f"{cores} cores ({model or platform.machine()}), {memory:.0f} GiB, {system or platform.system()}, "
        f"kernel {platform.release()}, Python {platform.python_version()}, as {user}"
    )
