"""Sandboxes of overlayfs and namespaces: no engine, no image, started in milliseconds, gone with their owner.

A sandbox is a stack of folders. Below lies what it is made of (the skeleton of the host's root or an unpacked image,
and each place's source), above it one layer for each ancestor it was copied from, on top its own. A copy ends its
parent's processes and takes the parent's layers as they are: nothing is copied, and nothing can change them any more.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import os
import posixpath
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from .disk_watch import DiskWatch, Watched
from .exec_channel import ExecChannel
from .host import make_skeleton
from .images import Images
from .importing import check_rootfs
from .launching import Launcher, Started
from .layers import Owned, own, refused, remove, run_folder
from .memory_note import MemoryWatch
from .overlay_bottom import Bottom, Bottoms
from .overlay_layers import Layers, Mounted, check_places, sayable
from .overlay_view import View
from .ports import PortHandler, check_network
from .protocol import (
    CannotStart,
    DiskFull,
    Dockerfile,
    HostRoot,
    Image,
    Limits,
    Result,
    RootFs,
    SandboxDied,
    SandboxError,
    SandboxSealed,
    World,
)
from .quota_disk import QuotaDisk, Unavailable
from .without import checked, limits_without, timeout_without

DEPTH = 150
"""Most layers of a sandbox: the kernel's page for mount options holds about twice as many."""

POOL = 2
"""Sandboxes kept ready to be asked for, where the machine has as many cores."""

DEFAULTS: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp/home",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
}


class OverlayBackend:
    """Overlay sandboxes of one run. Their layers lie on disk in `state/<run>/`, which this process owns, or on a disk
    of the run's own whose file lies there (see quota_disk.py).

    Used in the thread of one event loop. pool: sandboxes kept ready (None: as many as cores, at most POOL).
    without: see without.py.
    """

    name = "overlay"
    cheap_copies = True

    def __init__(
        self, run: str, state: Path, *, pool: int | None = None, without: Iterable[str] = frozenset()
    ) -> None:
        self.run = run
        self.without = checked(without)
        self._pool = min(POOL, os.cpu_count() or 1) if pool is None else pool
        self._folder = run_folder(Path(state).absolute(), run)
        self._owned: Owned | None = None
        self._quota_disk: QuotaDisk | None = None
        self._no_quotas = ""
        self._following: asyncio.Task[None] | None = None
        self.layers = Layers(self._folder, None)
        self._launcher: Launcher | None = None
        self._view: View | None = None
        self._bottoms: Bottoms | None = None
        self._preparing = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._users: Counter[str] = Counter()
        self._open: set[OverlaySandbox] = set()
        self._images = Images(run, self._folder.parent)
        self.disks = DiskWatch()
        self._roots: dict[str | Image | Dockerfile, asyncio.Future[tuple[Path, Mapping[str, str]]]] = {}

    async def start(self, world: World, *, name: str, limits: Limits) -> OverlaySandbox:
        """See protocol.Backend. An image is unpacked once, which takes an engine that has it."""
        await self._prepare()
        root, env = await self._root(world)
        check_places(world)
        outer_first = sorted(world.places, key=lambda place: posixpath.normpath(place.target).count("/"))
        world = dataclasses.replace(world, places=tuple(outer_first))
        assert self._view is not None and self._bottoms is not None
        sources = (root, *(place.source for place in world.places))
        bottom = await self._bottoms.get(world, sources, env, self._view.folders(world.root))
        return await self.launch(world, name, limits, (), bottom)

    async def close(self) -> None:
        self._images.stop()
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._open)))
        await self.disks.close()
        launcher, self._launcher = self._launcher, None
        if launcher is not None:
            await launcher.close()
        await self._close_disk()
        owned, self._owned = self._owned, None
        if owned is not None:
            await asyncio.to_thread(owned.release)
        self._images.close()  # only now: the layers stood on them

    async def lacks(self) -> tuple[str, ...]:
        """See protocol.Backend."""
        await self._prepare()
        assert self._launcher is not None
        return tuple(f"overlay: {line.rstrip('.')}." for line in self._lacking(self._launcher))

    async def launch(
        self,
        world: World,
        name: str,
        limits: Limits,
        below: tuple[str, ...],
        bottom: Bottom,
        *,
        other_network: bool = False,
    ) -> OverlaySandbox:
        """Start a sandbox on the layers `below` (nearest first) and the bottom.

        other_network: the world's network is not the one that the layers below were made with.
        """
        if self._launcher is None or self._view is None or self._bottoms is None:
            raise CannotStart("The overlay backend was closed: no sandbox can be started from it.")
        if bottom.launcher is not self._launcher:  # that one was killed, and what it showed went with it
            shown = self._view.folders(world.root)
            bottom = await self._bottoms.get(world, bottom.sources, bottom.env, shown)
        if len(below) >= DEPTH:
            raise SandboxError(
                f"Sandbox {name} would be copy number {DEPTH} of a copy: start afresh from a patch."
            )
        self.check_disk()
        layer = str(next(self._numbers))
        layers = (layer, *below)
        self._users.update(layers)
        try:
            overlays = self.layers.make(layers, bottom, world, limits_without(limits, self.without).disk)
            binds = await self._view.binds(world.root)
            spec = self._spec(world, limits, overlays, binds, bottom)
            spec["first"] = not below
            changed = other_network or (not below and world.network == "host")
            spec["names"] = world.network if changed else ""
            spec["image"] = bottom.lower[0][0]  # of the root: without what is mounted over it
            started = await self._launcher.start(spec)
        except OSError as error:
            await self._forget_layers(layers)
            raise refused(error, self._folder) from error
        except BaseException:
            await asyncio.shield(self._forget_layers(layers))
            raise
        sandbox = OverlaySandbox(self, world, name, limits, layers, bottom, started)
        self._open.add(sandbox)
        return sandbox

    def check_disk(self) -> None:
        """Raises DiskFull where the host's disk is full, which is nobody's fault in a sandbox."""
        if self._quota_disk is not None and (trouble := self._quota_disk.trouble()):
            raise DiskFull(trouble)

    async def end(self, started: Started) -> None:
        """End a sandbox's processes: afterwards none is left that could write into its layer."""
        if self._launcher is not None:
            await self._launcher.end(started.job)

    async def forget(self, sandbox: OverlaySandbox) -> None:
        """Remove the layers of a closed sandbox that nobody else stands on."""
        self._open.discard(sandbox)
        await self._forget_layers(sandbox.layers)

    async def _forget_layers(self, layers: tuple[str, ...]) -> None:
        self._users.subtract(layers)
        for layer in layers:
            if self._users[layer] <= 0:
                await self._drop(layer)

    async def _drop(self, layer: str) -> None:
        self._users.pop(layer, None)
        await asyncio.to_thread(self.layers.remove, layer)

    async def _prepare(self) -> None:
        """Own the run's folder and have a launcher that lives."""
        async with self._preparing:
            if self._owned is None:
                owned = await asyncio.to_thread(own, self._folder)
                if owned is None:
                    raise CannotStart(
                        f"Run {self.run} has its sandboxes in a process that still lives: stop it first."
                    )
                self._owned = owned
                for left in self._folder.iterdir():  # of an earlier process of this run
                    if left.name != "owner":
                        await asyncio.to_thread(remove, left)
            if self._quota_disk is not None and not self._open and self._quota_disk.failed():
                launcher, self._launcher = self._launcher, None
                if launcher is not None:
                    await launcher.close()
                    await self._forget_shown()
                await self._close_disk()
            if self._quota_disk is None and not self._no_quotas:
                await self._make_disk()
            if self._launcher is None or self._launcher.gone:
                if self._launcher is not None:
                    await self._launcher.close()
                    await self._forget_shown()
                device = self._quota_disk.device if self._quota_disk is not None else None
                try:
                    self._launcher = await Launcher.begin(
                        self.run, self._folder, self._pool, self.without, device
                    )
                except OSError as error:
                    raise refused(error, self._folder) from error
                self._view = View(self._launcher, self._folder, self.without)
                self._bottoms = Bottoms(self._launcher, self._folder)

    async def _forget_shown(self) -> None:
        """Remove the folders in which a launcher that is gone showed things."""
        for made in ("shown", "ready", "probe"):
            await asyncio.to_thread(remove, self._folder / made)

    async def _make_disk(self) -> None:
        """A disk that holds each sandbox to its limit, where one can be had; otherwise files are counted."""
        try:
            if "quota" in self.without:
                raise Unavailable("a test took the quotas away")
            self._quota_disk = await asyncio.to_thread(QuotaDisk.create, self._folder)
        except Unavailable as error:
            self._no_quotas = str(error)
            return
        except OSError as error:
            raise refused(error, self._folder) from error
        self.layers = Layers(self._folder, self._quota_disk)
        self._following = asyncio.create_task(self._quota_disk.follow_host())

    async def _close_disk(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
        disk, self._quota_disk = self._quota_disk, None
        if disk is not None:
            await asyncio.to_thread(disk.close)

    async def _root(self, world: World) -> tuple[Path, Mapping[str, str]]:
        """The folder at the bottom of the root's stack, and the environment that comes with it."""
        root = world.root
        if isinstance(root, RootFs):
            check_rootfs(root.folder)
            return root.folder, {}
        key = "host" if isinstance(root, HostRoot) else root
        task = self._roots.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            work = self._skeleton if isinstance(root, HostRoot) else functools.partial(self._unpack, root)
            task = self._roots[key] = asyncio.ensure_future(asyncio.to_thread(work))
        return await asyncio.shield(task)

    def _spec(
        self,
        world: World,
        limits: Limits,
        overlays: tuple[Mounted, ...],
        binds: Mapping[str, list[Any]],
        bottom: Bottom,
    ) -> dict[str, Any]:
        assert self._launcher is not None
        limits = limits_without(limits, self.without)
        grouped = self._launcher.gives
        root = os.geteuid() == 0
        return {
            "overlays": overlays,
            **binds,
            "network": world.network,
            "userxattr": not root,
            "owner": bottom.owner,
            "shift": bottom.shift,
            "shared_memory": None if "memory" in grouped else limits.memory,
            "limits": {
                "memory": limits.memory,
                "processes": limits.processes,
                "cpus": limits.cpus,
                "files": limits.files,
                "disk": limits.disk,
                # Without a group: what a process may write to, not what it reserves, and what the user may start.
                "data": None if "memory" in grouped else limits.memory,
                "of_user": None if root or "processes" in grouped else limits.processes,
            },
        }

    def _lacking(self, launcher: Launcher) -> Iterable[str]:
        yield from launcher.lacks
        if "memory" not in launcher.gives:
            yield "memory is limited for each process, not for a sandbox as a whole"
        if "processes" not in launcher.gives and os.geteuid() == 0:
            yield "no limit on the number of processes, because the kernel exempts root from the one there is"
        if "cpus" not in launcher.gives:
            yield "no limit on CPU cores"
        if self._no_quotas:
            yield (
                f"disk space is counted and not held to the limit, because {self._no_quotas}: it may be passed for "
                "about a second, and for longer by deleted files whose descriptors wait in a socket"
            )

    def _skeleton(self) -> tuple[Path, Mapping[str, str]]:
        folder = self._folder / "skeleton"
        try:
            remove(folder)  # half of one, where the disk was full
            return make_skeleton(folder), {}
        except OSError as error:
            raise refused(error, folder) from error

    def _unpack(self, root: Image | Dockerfile) -> tuple[Path, Mapping[str, str]]:
        from .docker_client import connect

        engine = connect()
        try:
            folder, facts = self._images.unpacked(engine, root)
            return folder, sayable(facts.env)
        finally:
            engine.close()


class OverlaySandbox:
    """One sandbox. Made by the backend only."""

    cheap_copies = True

    def __init__(
        self,
        backend: OverlayBackend,
        world: World,
        name: str,
        limits: Limits,
        layers: tuple[str, ...],
        bottom: Bottom,
        started: Started,
    ) -> None:
        self.name = name
        self.layers = layers
        self.bottom = bottom
        self._backend = backend
        self._world = world
        self._limits = limits_without(limits, backend.without)
        self._asked = limits
        self._env = {**DEFAULTS, **bottom.env, **world.env}
        self._started: Started | None = started
        self._channel = ExecChannel(*_streams(started.stream))
        self._disk: Watched | None = None
        if self._limits.disk is not None:
            files = backend.layers.files(layers[0], len(world.places), lambda: self.pid)
            self._disk = Watched(files, self._limits.disk, self._stop)
        self._memory = MemoryWatch(started.groups, self._limits.memory)
        self._sealing = asyncio.Lock()
        self._sealed = False
        self._reader: OverlaySandbox | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process of the host whose end is the sandbox's end."""
        return self._started.pid if self._started else None

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        running = self._shell(changing=True).run(
            command,
            timeout=timeout_without(timeout, self._limits, self._backend.without),
            cwd=self._absolute(cwd or "."),
            env={**self._env, **(env or {})},
            stdin=stdin,
            output_limit=self._limits.output,
        )
        result = self._memory.named(await self._backend.disks.run(self._disk, running))
        if result.exit_code and result.ended == "exited":
            self._backend.check_disk()
        return result

    async def read(self, path: str, limit: int | None = None) -> bytes:
        where = self._absolute(path)
        if self._sealed:
            return await (await self._read_only())._shell(changing=False).read(where, limit)
        return await self._shell(changing=False).read(where, limit)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        shell = self._shell(changing=True)
        try:
            await shell.write(self._absolute(path), content, mode)
        except DiskFull as error:
            self._backend.check_disk()
            if self._disk is None or not await self._backend.disks.is_over(self._disk):
                raise
            raise SandboxError(f"Writing {path} in the sandbox failed: {self._disk.excess}.") from error

    async def forward(self, ports: Mapping[int, PortHandler]) -> None:
        check_network(self._world)
        await self._shell(changing=True).forward(ports)

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> OverlaySandbox:
        async with self._sealing:
            if self._closing is not None:
                raise SandboxError(f"Sandbox {self.name} is closed: it cannot be copied.")
            if not self._sealed:
                await self._seal()
        world = dataclasses.replace(self._world, network=network or self._world.network)
        return await self._backend.launch(
            world,
            name,
            self._asked,
            self.layers,
            self.bottom,
            other_network=world.network != self._world.network,
        )

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
        await self._end()
        self._backend.disks.forget(self._disk)
        await self._backend.forget(self)

    async def _stop(self, ended: Literal["disk"], line: str) -> None:
        """It wrote more than its disk limit: kill everything in it."""
        try:
            await self._channel.stop(ended, line)
        finally:
            await asyncio.to_thread(self._backend.layers.give_room, self.layers[0])

    async def _seal(self) -> None:
        """End every process, so that no layer a copy stands on can change."""
        if self._channel.closed:
            raise SandboxDied(f"Sandbox {self.name} has ended: it cannot be copied.")
        self._sealed = True
        await self._end()

    async def _end(self) -> None:
        started, self._started = self._started, None
        if started is not None:
            await self._channel.abandon()
            started.stream.close()
            await self._backend.end(started)

    async def _read_only(self) -> OverlaySandbox:
        """A copy that nobody sees, to read from: this sandbox's own processes are gone."""
        async with self._sealing:
            if self._reader is None:
                self._reader = await self._backend.launch(
                    self._world, f"{self.name} (read)", self._asked, self.layers, self.bottom
                )
        return self._reader

    def _shell(self, *, changing: bool) -> ExecChannel:
        if self._closing is not None:
            raise SandboxError(f"Sandbox {self.name} is closed.")
        if changing and self._sealed:
            raise SandboxSealed(f"Sandbox {self.name} was copied: run and write in a copy of it.")
        return self._channel

    def _absolute(self, path: str) -> str:
        return posixpath.join("/", self._world.workdir, path)


def _streams(stream: socket.socket) -> tuple[Any, Any]:
    """The two halves of a sandbox's stream, as the channel wants them."""
    loop = asyncio.get_running_loop()

    async def send(data: bytes) -> None:
        await loop.sock_sendall(stream, data)

    async def receive() -> bytes:
        return await loop.sock_recv(stream, 1 << 18)

    return send, receive
