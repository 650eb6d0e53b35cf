"""`python -m bench.soak`: start, use, copy, kill and close sandboxes thousands of times, then count what is left.

Four at a time, in one process with one backend. Kills from outside, cancelled starts and commands, time-outs and
children left behind are mixed in. Afterwards there must be no descriptor, thread, task, process, mount, control
group, layer, temporary file or container more than before, and memory must not have grown over the second half.
`tests/sandbox/test_soak.py` runs a short one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sandbox import Backend, Limits, Place, Sandbox, SandboxError, World, open_backend
from sandbox.inside.cgroups import CONTROLLERS
from sandbox.inside.launcher import SPARE
from sandbox.inside.mounts import DISK

Kind = Literal["overlay", "docker"]

CYCLES: Mapping[Kind, int] = {"overlay": 10_000, "docker": 300}
AT_ONCE = 4
SETTLES = 20.0
"""Seconds in which what was ended in the background has to be gone."""

GROWTH = 1 << 20
"""Bytes that a process may have grown between the third and the last quarter: what an allocator keeps in hand."""

KEPT = {"docker": {"our descriptors": 8}, "overlay": {"control groups": SPARE * len(CONTROLLERS)}}
"""What a backend may hold more of than it did: connections that the engine's client keeps for the next calls, no more
than were ever in use at once, and the launcher's groups for sandboxes to come (at worst one in each hierarchy). They go
with the backend."""

LIMITS = Limits(memory=256 << 20, processes=32, timeout=30.0)


@dataclass(slots=True)
class Soaked:
    """What a soak saw. leaks: a sentence for each thing that is more than it was; empty is good."""

    kind: Kind
    cycles: int
    seconds: float = 0.0
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    memory: dict[str, list[int]] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)


async def soak(
    kind: Kind, cycles: int, folder: Path, *, say: Callable[[str], None] = lambda line: None
) -> Soaked:
    """Run `cycles` cycles in `folder`, which is empty. Raises CannotStart where the backend does not work here."""
    seen, run = Soaked(kind, cycles), f"soak-{secrets.token_hex(4)}"
    source = folder / "source"
    source.mkdir()
    (source / "file").write_text("the source's\n")
    world = World(places=(Place(source, "/work/place"),), workdir="/work/place")
    temporary = tempfile.tempdir
    tempfile.tempdir = str(folder / "tmp")  # so that nobody else's files are counted
    os.mkdir(tempfile.tempdir)
    bare = await _look(kind, run, folder)
    backend = open_backend(kind, run, folder / "state")
    try:
        await _cycles(backend, world, max(cycles // 20, 2 * AT_ONCE), lambda: None)
        seen.before = await _look(kind, run, folder)
        allowed = {what: count + KEPT.get(kind, {}).get(what, 0) for what, count in seen.before.items()}
        begun, done = time.monotonic(), 0

        def count() -> None:
            nonlocal done
            done += 1
            if done % max(cycles // 40, 1) == 0:
                _remember(seen.memory)
            if done % max(cycles // 10, 1) == 0:
                say(
                    f"{kind}: {done} of {cycles} cycles, {(time.monotonic() - begun) / done * 1e3:.1f} ms each"
                )

        await _cycles(backend, world, cycles, count)
        seen.seconds = time.monotonic() - begun
        seen.after = await _settled(kind, run, folder, allowed)
        seen.leaks += _more(allowed, seen.after, "after the cycles")
        seen.leaks += _grown(seen.memory)
    finally:
        await backend.close()
        tempfile.tempdir = temporary
    closed = await _settled(kind, run, folder, bare)
    seen.leaks += _more(bare, closed, "after the backend was closed")
    return seen


async def _cycles(backend: Backend, world: World, cycles: int, done: Callable[[], None]) -> None:
    numbers = iter(range(cycles))

    async def worker() -> None:
        for number in numbers:
            await _cycle(backend, world, number)
            done()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def _cycle(backend: Backend, world: World, number: int) -> None:
    """One of eight ways for a sandbox to live and end; every second one is the ordinary way."""
    way = number % 16
    if way == 1:
        await _cancelled(backend.start(world, name=f"soak-{number}", limits=LIMITS))
        return
    sandbox = await backend.start(world, name=f"soak-{number}", limits=LIMITS)
    try:
        if way == 3:
            await _kill(sandbox)
            with contextlib.suppress(SandboxError):
                await sandbox.run("true")
        elif way == 5:
            await _cancelled(sandbox.run("sleep 60"))
        elif way == 7:
            await sandbox.run("sleep 60 & sleep 60 & echo left behind")
        elif way == 9:
            assert (await sandbox.run("sleep 60", timeout=0.05)).ended == "timeout"
        elif way == 11:
            await _cancelled(sandbox.copy("cancelled"))
        elif way == 13:
            with contextlib.suppress(SandboxError):
                await sandbox.run("kill -9 -1")
        else:
            await _used(sandbox, number)
    finally:
        await sandbox.close()


async def _used(sandbox: Sandbox, number: int) -> None:
    await sandbox.write("sub/new", b"%d" % number)
    result = await sandbox.run("cat file sub/new; mkdir -p deep/er; echo more >deep/er/file")
    assert result.output == f"the source's\n{number}", result
    copy = await sandbox.copy(f"copy-{number}")
    try:
        assert (await copy.run("cat deep/er/file; rm file")).output == "more\n"
        assert await copy.read("sub/new") == b"%d" % number
    finally:
        await copy.close()


async def _cancelled(coroutine) -> None:
    """Begin something and cancel it somewhere in its middle; what it made all the same is closed."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(random.uniform(0, 0.03))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, SandboxError):
        made = await task
        if hasattr(made, "close"):
            await made.close()


async def _kill(sandbox: Sandbox) -> None:
    """SIGKILL to the sandbox's first process, from outside."""
    if pid := getattr(sandbox, "pid", None):
        os.kill(pid, signal.SIGKILL)
    elif container := getattr(sandbox, "container", None):
        from sandbox.docker_client import connect

        def kill() -> None:
            engine = connect()
            try:
                engine.api.kill(container)
            finally:
                engine.close()

        await asyncio.to_thread(kill)


async def _look(kind: Kind, run: str, folder: Path) -> dict[str, int]:
    """Counts of all that a sandbox could leave behind."""
    gc.collect()
    family = _family()
    seen = {
        "our descriptors": len(os.listdir("/proc/self/fd")) - 1,
        "our tasks": len(asyncio.all_tasks()),
        "processes": len(family),
        "mounts": _mounts("self", str(folder)),
        "temporary files": _temporary(folder / "tmp"),
        "layers": sum(len(os.listdir(one)) for one in (folder / "state").glob("*") if one.is_dir()),
        "control groups": _groups(run),
    }
    # Of what our children are (the launcher): the sandboxes' own are no children of ours.
    children = [pid for pid, parent in family.items() if parent == os.getpid()]
    with contextlib.suppress(OSError):
        seen["launcher's descriptors"] = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in children)
        seen["launcher's mounts"] = sum(_mounts(str(pid)) for pid in children)
        # On a disk of the run's own, which only the launcher has mounted.
        disks = [
            disk for pid in children for disk in Path(f"/proc/{pid}/root{folder}/state").glob(f"*/{DISK}")
        ]
        seen["layers"] += sum(len(os.listdir(disk)) for disk in disks)
    if kind == "docker":
        seen |= await asyncio.to_thread(_in_engine, run)
    return seen


async def _settled(kind: Kind, run: str, folder: Path, wanted: Mapping[str, int]) -> dict[str, int]:
    """What is there when it is no more than it was, or when the time for that is over."""
    end = time.monotonic() + SETTLES
    while _more(wanted, seen := await _look(kind, run, folder), "") and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return seen


def _more(before: Mapping[str, int], after: Mapping[str, int], when: str) -> list[str]:
    return [
        f"{what}: {before.get(what, 0)} before, {count} {when}"
        for what, count in after.items()
        if count > before.get(what, 0)
    ]


def _grown(memory: Mapping[str, list[int]]) -> list[str]:
    found = []
    for whose, held in memory.items():
        quarter = max(len(held) // 4, 1)
        third, last = held[-2 * quarter : -quarter], held[-quarter:]
        if third and statistics.median(last) - statistics.median(third) > GROWTH:
            grown = (statistics.median(last) - statistics.median(third)) / 1e6
            found.append(f"memory of {whose} grew by {grown:.1f} MB from the third to the last quarter")
    return found


def _remember(memory: dict[str, list[int]]) -> None:
    gc.collect()
    memory.setdefault("Winnow's process", []).append(_held("self"))
    children = [pid for pid, parent in _family().items() if parent == os.getpid()]
    if children:
        memory.setdefault("the launcher", []).append(sum(_held(str(pid)) for pid in children))


def _held(pid: str) -> int:
    """Bytes of a process's own memory (RssAnon), 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def _family() -> dict[int, int]:
    """All our descendants, each with its parent; dead ones that nobody waited for too."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            parents[int(entry)] = int(stat[1])
    found: dict[int, int] = {}
    level = {os.getpid()}
    while level:
        below = {pid: parent for pid, parent in parents.items() if parent in level and pid not in found}
        found |= below
        level = set(below)
    return found


def _mounts(pid: str, of: str = "") -> int:
    """Mounts that a process sees. of: a word in them, where others may mount things too."""
    with contextlib.suppress(OSError):
        return sum(of in line for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    return 0


def _temporary(folder: Path) -> int:
    """Files there, without the interpreter that docker sandboxes are shown: that is kept for the next run."""
    found = [*folder.glob("*"), *folder.glob("winnow.*/*")]
    return sum(not path.name.startswith(("winnow.", "python-")) for path in found)


def _groups(run: str) -> int:
    """Control groups whose path names this run, in every hierarchy."""
    return sum(run in folder for folder, _names, _files in os.walk("/sys/fs/cgroup"))


def _in_engine(run: str) -> dict[str, int]:
    from sandbox.docker_client import connect

    engine = connect()
    try:
        ours = {"label": [f"winnow.run={run}"]}
        containers = engine.api.containers(all=True, filters=ours)
        return {"containers": len(containers), "images": len(engine.api.images(filters=ours))}
    finally:
        engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kind", choices=[*CYCLES], action="append", help="default: both")
    parser.add_argument("--cycles", type=int, help="default: 10000 for overlay, 300 for docker")
    asked = parser.parse_args()
    leaks = 0
    for kind in asked.kind or CYCLES:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            cycles = asked.cycles or CYCLES[kind]
            try:
                seen = asyncio.run(soak(kind, cycles, Path(folder), say=lambda line: print(line, flush=True)))
            except SandboxError as error:
                print(f"{kind}: not run: {error}")
                continue
        leaks += len(seen.leaks)
        show(seen)
    sys.exit(1 if leaks else 0)


def show(seen: Soaked) -> None:
    print(f"{seen.kind}: {seen.cycles} cycles in {seen.seconds:.0f} s, {AT_ONCE} at a time")
    for what, count in seen.before.items():
        print(f"  {what:24} {count:6} before {seen.after.get(what, 0):6} after")
    for whose, held in seen.memory.items():
        points = [held[min(len(held) - 1, len(held) * part // 4)] for part in range(5)]
        print(f"  memory of {whose}: {', '.join(f'{point / 1e6:.1f}' for point in points)} MB, by quarters")
    for leak in seen.leaks:
        print(f"  LEAK {leak}")
    if not seen.leaks:
        print("  nothing left behind")


if __name__ == "__main__":
    main()
