"""Sandboxes of overlayfs and bubblewrap: no engine, no image, started in milliseconds, gone with their owner.

A sandbox is a stack of folders. Below lies what it is made of (the skeleton of the host's root or an unpacked image,
and each place's source), above it one layer for each ancestor it was copied from, on top its own. A copy ends its
parent's processes and takes the parent's layers as they are: nothing is copied, and nothing can change them any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import os
import posixpath
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from .chain import CHAIN_ENV, LINK, TOOLS, Mounted, chain
from .channel import Channel
from .host import make_skeleton
from .layers import Owned, own, refused, remove, run_folder
from .process import Piped
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

DEPTH = 150
"""Most layers of a sandbox: the kernel's page for mount options holds about twice as many."""

DEFAULTS: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp/home",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
}


class OverlayBackend:
    """Overlay sandboxes of one run. Their layers lie on disk in `state/<run>/`, which this process owns.

    Made in the thread that runs the event loop, used there only.
    """

    name = "overlay"
    cheap_copies = True

    def __init__(self, run: str, state: Path) -> None:
        self.run = run
        self._folder = run_folder(Path(state).absolute(), run)
        self._owned: Owned | None = None
        self._numbers = itertools.count(1)
        self._users: Counter[str] = Counter()
        self._open: set[OverlaySandbox] = set()
        self._bottoms: dict[str | Image | Dockerfile, asyncio.Future[tuple[Path, Mapping[str, str]]]] = {}

    async def start(self, world: World, *, name: str, limits: Limits) -> OverlaySandbox:
        """See protocol.Backend. An image is unpacked once, which takes an engine that has it."""
        self._prepare()
        bottom, env = await self._bottom(world)
        _check_places(world)
        outer_first = sorted(world.places, key=lambda place: posixpath.normpath(place.target).count("/"))
        world = dataclasses.replace(world, places=tuple(outer_first))
        return await self.launch(
            world, name, limits, (), (bottom, *(place.source for place in world.places)), env
        )

    async def close(self) -> None:
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._open)))
        if self._owned is not None:
            owned, self._owned = self._owned, None
            await asyncio.to_thread(owned.release)

    def lacks(self) -> tuple[str, ...]:
        root = os.geteuid() == 0
        said = [
            "overlay: memory is limited for each process, not for a sandbox as a whole.",
            "overlay: the size of each file is limited, not the disk space of a sandbox as a whole.",
            "overlay: no limit on CPU cores.",
            "overlay: no filter of system calls.",
        ]
        if root:
            said += [
                "overlay: no limit on the number of processes, because the kernel exempts root from it.",
                "overlay: started by root, a sandbox runs as the host's user 0 (without capabilities), not shifted.",
            ]
        return tuple(said)

    async def launch(
        self,
        world: World,
        name: str,
        limits: Limits,
        below: tuple[str, ...],
        sources: tuple[Path, ...],
        env: Mapping[str, str],
        *,
        other_network: bool = False,
    ) -> OverlaySandbox:
        """Start a sandbox on the layers `below` (nearest first; the last one holds links to the sources).

        other_network: the world's network is not the one that the layers below were made with.
        """
        if len(below) >= DEPTH:
            raise SandboxError(
                f"Sandbox {name} would be copy number {DEPTH} of a copy: start afresh from a patch."
            )
        layer = str(next(self._numbers))
        layers = (layer, *below)
        try:
            overlays = _make_layer(self._folder, layers, sources, world)
        except OSError as error:
            await asyncio.to_thread(remove, self._folder / layer)
            raise refused(error, self._folder) from error
        self._users.update(layers)
        sandbox = OverlaySandbox(self, world, name, limits, layers, sources, env)
        self._open.add(sandbox)
        try:
            argv = chain(self._folder, world, overlays, limits, not below, other_network)
            await sandbox.begin(argv, self._folder / layer / "log")
        except OSError as error:
            await sandbox.close()
            raise refused(error, self._folder) from error
        except BaseException:
            await sandbox.close()
            raise
        return sandbox

    async def forget(self, sandbox: OverlaySandbox) -> None:
        """Remove the layers of a closed sandbox that nobody else stands on."""
        self._open.discard(sandbox)
        self._users.subtract(sandbox.layers)
        unused = [layer for layer in sandbox.layers if self._users[layer] <= 0]
        for layer in unused:
            del self._users[layer]
            await asyncio.to_thread(remove, self._folder / layer)

    def _prepare(self) -> None:
        if self._owned is not None:
            return
        missing = [tool for tool in TOOLS if shutil.which(tool, path=CHAIN_ENV["PATH"]) is None]
        if missing:
            raise CannotStart(
                f"Overlay sandboxes need {' and '.join(missing)}: install bubblewrap and util-linux "
                "(apt-get install bubblewrap util-linux)."
            )
        owned = own(self._folder)
        if owned is None:
            raise CannotStart(
                f"Run {self.run} has its sandboxes in a process that still lives: stop it first."
            )
        for left in self._folder.iterdir():  # of an earlier process of this run
            if left.name != "owner":
                remove(left)
        self._owned = owned

    async def _bottom(self, world: World) -> tuple[Path, Mapping[str, str]]:
        """The folder at the bottom of the root's stack, and the environment that comes with it."""
        root = world.root
        if isinstance(root, RootFs):
            if not (root.folder / "bin").exists():
                raise CannotStart(f"{root.folder} holds no root file system: it has no bin folder.")
            return root.folder, {}
        key = "host" if isinstance(root, HostRoot) else root
        task = self._bottoms.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            work = self._skeleton if isinstance(root, HostRoot) else functools.partial(self._unpack, root)
            task = self._bottoms[key] = asyncio.ensure_future(asyncio.to_thread(work))
        return await asyncio.shield(task)

    def _skeleton(self) -> tuple[Path, Mapping[str, str]]:
        folder = self._folder / "skeleton"
        try:
            remove(folder)  # half of one, where the disk was full
            return make_skeleton(folder), {}
        except OSError as error:
            raise refused(error, folder) from error

    def _unpack(self, root: Image | Dockerfile) -> tuple[Path, Mapping[str, str]]:
        from . import images
        from .docker_client import connect

        engine = connect()
        try:
            made = (
                images.build(engine, root)
                if isinstance(root, Dockerfile)
                else images.ensure_image(engine, root.name)
            )
            facts = images.describe(engine, made)
            return images.unpack(engine, made, self._folder.parent), _sayable(facts.env if facts else {})
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
        sources: tuple[Path, ...],
        env: Mapping[str, str],
    ) -> None:
        self.name = name
        self.layers = layers
        self._backend = backend
        self._world = world
        self._limits = limits
        self._sources = sources
        self._image_env = env
        self._env = {**DEFAULTS, **env, **world.env}
        self._process: Piped | None = None
        self._channel: Channel | None = None
        self._sealing = asyncio.Lock()
        self._sealed = False
        self._reader: OverlaySandbox | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process of the host whose end is the sandbox's end."""
        return self._process.pid if self._process else None

    async def begin(self, argv: list[str], log: Path) -> None:
        """Start the chain and wait for its shell. Raises CannotStart."""
        try:
            process = self._process = Piped(argv, env=CHAIN_ENV, log=log)
        except OSError as error:
            raise CannotStart(f"An overlay sandbox cannot be started: {error.strerror or error}.") from error
        self._channel = Channel(process.send, process.receive)
        try:
            await self._channel.open()
        except SandboxDied as error:
            process.kill()
            code = await process.ended()
            raise _not_started(log, code) from error

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        return await self._shell(changing=True).run(
            command,
            timeout=self._limits.timeout if timeout is None else timeout,
            cwd=self._absolute(cwd or "."),
            env={**self._env, **(env or {})},
            stdin=stdin,
            output_limit=self._limits.output,
        )

    async def read(self, path: str, limit: int | None = None) -> bytes:
        where = self._absolute(path)
        if self._sealed:
            return await (await self._read_only())._shell(changing=False).read(where, limit)
        return await self._shell(changing=False).read(where, limit)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        await self._shell(changing=True).write(self._absolute(path), content, mode)

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
            self._limits,
            self.layers,
            self._sources,
            self._image_env,
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
        await self._backend.forget(self)

    async def _seal(self) -> None:
        """End every process, so that no layer a copy stands on can change."""
        assert self._channel is not None
        await self._channel.kill_all()
        self._sealed = True
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.ended()
            assert self._channel is not None
            await self._channel.abandon()
            process.close()

    async def _read_only(self) -> OverlaySandbox:
        """A copy that nobody sees, to read from: this sandbox's own processes are gone."""
        if self._reader is None:
            async with self._sealing:
                if self._reader is None:
                    self._reader = await self._backend.launch(
                        self._world,
                        f"{self.name} (read)",
                        self._limits,
                        self.layers,
                        self._sources,
                        self._image_env,
                    )
        return self._reader

    def _shell(self, *, changing: bool) -> Channel:
        if self._closing is not None:
            raise SandboxError(f"Sandbox {self.name} is closed.")
        if changing and self._sealed:
            raise SandboxSealed(f"Sandbox {self.name} was copied: run and write in a copy of it.")
        assert self._channel is not None
        return self._channel

    def _absolute(self, path: str) -> str:
        return posixpath.join("/", self._world.workdir, path)


def _make_layer(
    folder: Path, layers: tuple[str, ...], sources: tuple[Path, ...], world: World
) -> tuple[Mounted, ...]:
    """Make a sandbox's own folders. -> its overlays, the root first."""
    layer, bottom = layers[0], layers[-1]
    made = folder / layer
    made.mkdir()
    targets = ("/", *(posixpath.normpath(place.target) for place in world.places))
    for index, source in enumerate(sources):
        for kind in ("upper", "work", "at"):
            (made / f"{kind}{index}").mkdir(mode=0o755)
        with contextlib.suppress(OSError):
            os.chmod(made / f"upper{index}", source.stat().st_mode & 0o7777)
        if layer == bottom:
            (made / f"below{index}").symlink_to(source.absolute())
            if index and (behind := _behind(sources[0], targets[index])):
                (made / f"behind{index}").symlink_to(behind.absolute())
                _cover_history(made / f"covers{index}")
    return tuple(
        Mounted(
            target=target,
            staged=f"{layer}/at{index}",
            lower=(*(f"{one}/upper{index}" for one in layers[1:]), *_lowest(folder, bottom, index)),
            upper=f"{layer}/upper{index}",
            work=f"{layer}/work{index}",
        )
        for index, target in enumerate(targets)
    )


def _lowest(folder: Path, bottom: str, index: int) -> tuple[str, ...]:
    """A place's source; below it what the image has there, as on docker: what was built in it stays."""
    lowest = (f"{bottom}/below{index}", f"{bottom}/covers{index}", f"{bottom}/behind{index}")
    return lowest if (folder / lowest[-1]).is_symlink() else lowest[:1]


def _behind(root: Path, target: str) -> Path | None:
    """The image's own folder at a place, None where it has none. Links could lead out of the image."""
    at = root
    for part in target.strip("/").split("/"):
        at = at / part
        if at.is_symlink() or not at.is_dir():
            return None
    return at


def _cover_history(folder: Path) -> None:
    """A layer that hides the image's own .git, so that no history shines through the place's (SAFETY 1)."""
    history = folder / ".git"
    history.mkdir(parents=True)
    os.setxattr(history, "trusted.overlay.opaque" if os.geteuid() == 0 else "user.overlay.opaque", b"y")


def _sayable(env: Mapping[str, str]) -> dict[str, str]:
    """An image's variables without those whose names no shell can export."""
    return {name: value for name, value in env.items() if name.isascii() and name.isidentifier()}


def _check_places(world: World) -> None:
    if not world.workdir.startswith("/"):
        raise CannotStart(f"The sandbox's workdir {world.workdir!r} is no absolute path.")
    for place in world.places:
        if not place.source.is_dir():
            raise CannotStart(f"The folder {place.source} cannot be shown in a sandbox: it is no folder.")
        target = posixpath.normpath(place.target)
        if not place.target.startswith("/") or target in ("/", "//", "/proc", "/dev", "/tmp"):
            raise CannotStart(
                f"Nothing can be placed at {place.target!r} of a sandbox: name a folder below the root."
            )
        if target.startswith(("/proc/", "/dev/")):
            raise CannotStart(f"Nothing can be placed at {place.target!r} of a sandbox: it is the kernel's.")


def _not_started(file: Path, code: int) -> SandboxError:
    log = file.read_text("utf-8", "replace")
    said = " ".join(log.split())[-300:] or f"exit code {code}"
    if code == LINK:
        return SandboxError(
            "A link lies where the sandbox needs a folder of its own (/tmp, /etc or one on the way to a place)."
        )
    if "No space left" in log:
        return DiskFull(
            "The disk that holds the sandboxes' layers is full: free some space, or run `winnow clean`."
        )
    if "/bin/sh" in log and "No such file" in log:
        return CannotStart("The sandbox's root file system has no /bin/sh: choose another image.")
    return CannotStart(
        f"An overlay sandbox cannot be started ({said}); `winnow doctor` says what is missing."
    )
