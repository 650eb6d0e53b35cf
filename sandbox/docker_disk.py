"""What a container wrote, and what keeps it to its limit: the storage driver's quota, or a look from outside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import disk_count
from .docker_client import Engine, plain_errors


def quota(engine: Engine) -> bool:
    """Whether the engine can hold a container's own layer to a size: overlay2 on xfs that was mounted with pquota."""
    if engine.info.get("Driver") != "overlay2" or _status(engine).get("Backing Filesystem") != "xfs":
        return False
    if not engine.local:
        return False  # how its disk is mounted is not told
    return bool({"pquota", "prjquota"} & _mount_options(_root(engine)))


class ContainerFiles:
    """See disk_watch.Files. The engine is asked where they lie when it is first wanted: most never write much.

    pid: the container's first process as this machine numbers it; 0 where that is not known.
    """

    exact = False

    def __init__(self, engine: Engine, container: str, pid: int) -> None:
        self._engine, self._container, self._pid = engine, container, pid
        self._told: dict[str, Any] | None = None
        self.disk: Path | None = None
        if engine.local and _root(engine).is_dir():
            self.disk = _root(engine)

    def count(self, enough: int | None) -> int:
        folders = self._folders()
        if not folders:
            return self._as_the_engine_says()
        used = disk_count.written(folders, enough)
        if (enough is not None and used > enough) or not self.busy():
            return used
        return used + disk_count.deleted(disk_count.processes(self._pid))

    def busy(self) -> bool:
        return bool(self._pid) and disk_count.has_children(self._pid)

    def _folders(self) -> list[Path]:
        """Where a container can write to the engine's disk: its layer, its volumes and three files of /etc."""
        if not self._pid or os.geteuid() != 0:
            return []
        told = self._inspected()
        layer = ((told.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or self._upper()
        if not layer:
            return []
        others = [told.get(name) for name in ("HostsPath", "HostnamePath", "ResolvConfPath")]
        others += [mount.get("Source") for mount in told.get("Mounts") or () if mount.get("Type") == "volume"]
        return [Path(layer), *(Path(path) for path in others if path)]

    def _upper(self) -> str:
        """The upper layer as the kernel tells it: engines whose images containerd keeps do not."""
        for line in Path(f"/proc/{self._pid}/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[4] == "/" and after.startswith("overlay "):
                for option in after.split()[-1].split(","):
                    if option.startswith("upperdir="):
                        return option.partition("=")[2]
        return ""

    def _as_the_engine_says(self) -> int:
        api = self._engine.api
        with plain_errors():
            response = api._get(api._url("/containers/{0}/json", self._container), params={"size": 1})
            return int(api._result(response, True).get("SizeRw") or 0)

    def _inspected(self) -> dict[str, Any]:
        if self._told is None:
            with plain_errors():
                self._told = self._engine.api.inspect_container(self._container)
        return self._told


def _root(engine: Engine) -> Path:
    return Path(engine.info.get("DockerRootDir") or "/var/lib/docker")


def _status(engine: Engine) -> dict[str, str]:
    return {row[0]: row[1] for row in engine.info.get("DriverStatus") or () if len(row) == 2}


def _mount_options(folder: Path) -> set[str]:
    """The options of the disk that a folder lies on."""
    best, options = "", ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4]
        if (str(folder) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, options = point, after.split()[-1]
    return set(options.split(","))
