"""Whether the kernel killed something in a container for memory: its control group says so, or the engine does."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from .docker_client import Engine
from .exec_channel import KILLED, with_line
from .memory_note import MemoryWatch, memory_line
from .protocol import Result, SandboxError

GROUPS = Path("/sys/fs/cgroup")

CLOCKS = 2.0
"""Seconds by which an engine's clock may be behind ours."""


NEWS = 2.0
"""Seconds by which an engine's word of memory that ran out may come after the command's end."""


class MemoryNews:
    """Asked after each command. pid: the container's first process as this machine numbers it, 0 where unknown."""

    def __init__(self, engine: Engine, container: str, pid: int, limit: int | None) -> None:
        self._engine, self._container, self._limit = engine, container, limit
        folders = _memory_groups(pid) if pid else []
        self._told = 0
        self._watch = MemoryWatch(folders, limit) if folders else None

    async def named(self, result: Result) -> Result:
        """The result, as one that memory ended where it did. The engine is asked only about a killed command."""
        if self._watch is not None:
            return self._watch.named(result)
        if result.ended != "exited" or result.exit_code != KILLED:
            return result
        try:
            told = await self._engine.call(
                _next_told, self._engine, self._container, result.seconds, self._told
            )
        except SandboxError:
            return result  # the next command will meet whatever it is
        if not told:
            return result
        self._told = told
        output = with_line(result.output, memory_line(self._limit))
        return dataclasses.replace(result, ended="memory", output=output)


def _memory_groups(pid: int) -> list[str]:
    """The folders of a process's control group that say how often memory ran out, of either version."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            homes = (GROUPS / kinds, GROUPS / "unified") if not kinds else (GROUPS / kinds,)
            found += [
                str(home) + path
                for home in homes
                for file in ("memory.oom_control", "memory.events")
                if path != "/" and Path(f"{home}{path}/{file}").exists()
            ]
    return found


def _next_told(engine: Engine, container: str, seconds: float, before: int) -> int:
    """When the engine told of memory that ran out, after `before`, by its own clock in nanoseconds; 0: it did not."""
    now = time.time()
    since, until = f"{now - seconds - CLOCKS:.3f}", f"{now + NEWS:.3f}"
    filters = {"container": [container], "event": ["oom"]}
    stream = engine.api.events(decode=True, filters=filters, since=since, until=until)
    try:
        times = (event.get("timeNano", 0) for event in stream)
        return next((told for told in times if told > before), 0)
    finally:
        stream.close()
