"""The docker backend: a hardened container per sandbox, commands over one stream, copies as image layers.

A sandbox's container lives exactly as long as its line to this process (see docker_line.py): when the process ends,
by SIGKILL too, the kernel closes the line, and the container's first process meets the end and kills everything.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import posixpath
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from . import docker_container, docker_reset
from .disk_watch import DiskWatch, Watched
from .docker_client import Busy, Engine, Missing, connect
from .docker_disk import ContainerFiles
from .docker_layers import Layer, give_up
from .docker_leftovers import leave_nothing, remove_container
from .docker_line import Line, NoCall
from .docker_lines import Lines
from .docker_memory import MemoryNews
from .docker_places import place_layer
from .docker_skeleton import host_ground
from .exec_channel import ExecChannel
from .images import Images
from .ports import PortHandler, check_network
from .protocol import (
    CannotStart,
    HostRoot,
    Limits,
    NoPorts,
    Result,
    SandboxDied,
    SandboxError,
    SandboxSealed,
    World,
)
from .shell_channel import ShellChannel
from .turns import Turn, Turns
from .without import checked, limits_without, timeout_without

REPLAYED_BYTES = 8 << 20
"""Writes beyond this are no longer kept for replay: the copy commits instead."""

DEATH_NEWS = 20.0
"""Seconds the engine gets to tell of a container's end."""

OOM_BEFORE = 5.0
"""Seconds between running out of memory and the container's end for the one to count as the other's cause."""


class DockerBackend:
    """Sandboxes of one run on one engine. progress: told in short lines what takes long (pulls, builds, layers).

    without: protections that a test takes away (see without.py). state: the folder with the record of images; None
    keeps none.
    """

    name = "docker"
    cheap_copies = False

    def __init__(
        self,
        run: str,
        progress: Callable[[str], None] | None = None,
        without: frozenset[str] = frozenset(),
        state: Path | None = None,
    ) -> None:
        self.run = run
        self._images = Images(run, state, progress)
        self.without = checked(without)
        self._progress = progress
        self._engine: Engine | None = None
        self._connecting = asyncio.Lock()
        # A resumed run counts from one again while its dead process's containers may still be ending: the random
        # part keeps the names apart.
        self._numbers = (f"{number}-{secrets.token_hex(3)}" for number in itertools.count(1))
        self._grounds: dict[object, asyncio.Task[Layer]] = {}
        self._open: set[DockerSandbox] = set()
        self._closed = False
        self.disks = DiskWatch()
        # The filter takes that no new privileges can be had.
        self.lines = Lines(progress, filtered=not self.without & {"seccomp", "privileges"})

    async def start(self, world: World, *, name: str, limits: Limits) -> DockerSandbox:
        """See `Backend.start`. The world's layer is made by the first start and waited for by the others."""
        self._refuse_when_closed()
        ground = await self._ground(world)
        try:
            return await self._launch(ground, world, name, limits)
        except Missing:
            # Somebody pruned the images of a run that had no container just then: make the layer again, once.
            self._grounds.pop(_ground_key(world), None)
            return await self._launch(await self._ground(world), world, name, limits)

    async def close(self) -> None:
        """See `Backend.close`."""
        self._closed = True
        self._images.stop()  # a pull would be waited for otherwise
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._open)))
        await self.disks.close()
        if self._engine is None:
            return
        for task in self._grounds.values():
            task.cancel()
        await asyncio.gather(*self._grounds.values(), return_exceptions=True)
        self._grounds.clear()
        try:
            # By label, so that what a cancelled start left behind goes too.
            await self._engine.call(leave_nothing, self._engine, self.run)
        finally:
            self._engine.close()
            self._engine = None
            self._images.close()

    async def lacks(self) -> tuple[str, ...]:
        """See `Backend.lacks`. Raises CannotStart where no engine answers."""
        engine = await self.engine()
        await self.lines.try_out(engine, self.run)
        return docker_container.lacks(engine, self.lines.no_server)

    async def engine(self) -> Engine:
        async with self._connecting:
            if self._engine is None:
                self._engine = await asyncio.to_thread(connect)
            return self._engine

    async def _ground(self, world: World) -> Layer:
        """The layer that a world's sandboxes start from. Made once; a failure is forgotten."""
        key = _ground_key(world)
        task = self._grounds.get(key)
        if task is None:
            task = self._grounds[key] = asyncio.create_task(self._make_ground(world))
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and (task.cancelled() or task.exception()) and self._grounds.get(key) is task:
                del self._grounds[key]
            raise

    async def _make_ground(self, world: World) -> Layer:
        engine = await self.engine()
        if isinstance(world.root, HostRoot):
            targets = tuple(place.target for place in world.places)
            facts, mounts = await engine.call(
                host_ground, engine, self.run, world.root, targets, open_root="root" in self.without
            )
        else:
            mounts = ()
            facts = await engine.call(self._images.ready, engine, world.root)
        image = facts.id
        if world.places:
            if self._progress is not None:
                self._progress("preparing the repository's layer")
            empty = isinstance(world.root, HostRoot)
            image = await engine.call(place_layer, engine, self.run, facts, world.places, empty=empty)
        # `ours` stays False: the next start wants it too. It goes when the backend closes, by its label.
        return Layer(image, facts.env, facts.user, mounts)

    async def _launch(
        self, ground: Layer, world: World, name: str, limits: Limits, writes: tuple[_Write, ...] = ()
    ) -> DockerSandbox:
        """A running sandbox on `ground`, with `writes` done in it."""
        try:
            return await self._launch_once(ground, world, name, limits, writes)
        except (CannotStart, NoCall) as error:
            if not self.lines.falls_back(error):
                raise
            return await self._launch_once(ground, world, name, limits, writes)

    async def _launch_once(
        self, ground: Layer, world: World, name: str, limits: Limits, writes: tuple[_Write, ...]
    ) -> DockerSandbox:
        self._refuse_when_closed()
        engine = await self.engine()
        ground.take()
        # Known by its name until its id is: a start that is cancelled while the engine creates it removes it so.
        container = docker_container.container_name(self.run, name, next(self._numbers))
        line: Line | None = None
        try:
            line = await self.lines.new(engine, docker_container.environment(world, ground.env), ground.env)
            container = await engine.call(
                docker_container.create,
                engine,
                ground.image,
                name=container,
                run=self.run,
                world=world,
                limits=limits,
                first=line.first,
                user=ground.user,
                mounts=ground.mounts,
                without=self.without,
            )
            await line.before_start(container)
            await engine.call(engine.api.start, container)
            sandbox = DockerSandbox(self, engine, ground, world, name, limits, container, line)
            await sandbox.prepare(writes)
        except BaseException:
            if line is not None:
                line.close()
            await asyncio.shield(self._take_back(engine, container, ground))
            raise
        self._open.add(sandbox)
        return sandbox

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise CannotStart("the docker backend was closed: no sandbox can be started from it")

    async def _take_back(self, engine: Engine, container: str, ground: Layer) -> None:
        await engine.call(remove_container, engine, container)
        await give_up(engine, ground)

    async def _commit(self, sandbox: DockerSandbox) -> Layer:
        """The container's file system as an image that copies start from, on top of the layer it started from."""
        engine = await self.engine()
        tag = docker_container.image_tag(self.run, f"copy-{next(self._numbers)}")
        made = await engine.call(
            engine.api.commit,
            sandbox.container,
            "winnow-copy",
            tag,
            pause=False,  # nobody is left who could write
            conf={"Labels": docker_container.labels(self.run, "layer")},
        )
        ground = sandbox.ground
        return Layer(made["Id"], ground.env, ground.user, ground.mounts, ours=True, below=ground.take())


_Write = tuple[str, bytes, int]


class DockerSandbox:
    """See `protocol.Sandbox`."""

    cheap_copies = False

    def __init__(
        self,
        backend: DockerBackend,
        engine: Engine,
        ground: Layer,
        world: World,
        name: str,
        limits: Limits,
        container: str,
        line: Line,
    ) -> None:
        self.name = name
        self.ground, self.container = ground, container
        self._backend, self._engine, self._world, self._limits = backend, engine, world, limits
        self._line = line
        self._channel: ShellChannel | ExecChannel
        self._disk: Watched | None = None
        self._lock = asyncio.Lock()
        # What `write` did since the start, while no command has run: a copy then repeats it (a millisecond each)
        # instead of committing an image (a tenth of a second and disk). Most candidates of a matrix are made so.
        self._writes: list[_Write] | None = []
        self._layer: Layer | None = None
        self._turns = Turns(self._lend)
        self._lent = False
        self._forwards = False
        self._sealed = False
        self._ending: asyncio.Task[None] | None = None

    async def prepare(self, writes: tuple[_Write, ...]) -> None:
        """Wait for the container's first process and repeat a parent's writes. Raises CannotStart, SandboxDied."""
        try:
            self._channel = await self._line.channel(self._lives)
            try:
                await self._channel.open()
            except BaseException:
                await self._channel.abandon()
                raise
        except NoCall:
            raise
        except SandboxDied as error:
            said = " ".join(self._line.complaint.decode("utf-8", "replace").split())
            if "/bin/sh" in said:
                raise CannotStart(
                    "The sandbox's root file system has no /bin/sh: choose another image."
                ) from error
            raise await self._death(error) from error
        self._backend.lines.served |= isinstance(self._channel, ExecChannel)
        limit = limits_without(self._limits, self._backend.without).disk
        if limit is not None and isinstance(self._channel, ExecChannel):
            files = ContainerFiles(self._engine, self.container, self._line.pid)
            self._disk = Watched(files, limit, self._channel.stop)
        self._memory = MemoryNews(self._engine, self.container, self._line.pid, self._limits.memory)
        for path, content, mode in writes:
            await self.write(path, content, mode)

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """See `protocol.Sandbox.run`."""
        self._check(changing=True)
        async with self._lock:
            self._check(changing=True)
            self._writes = None
            return await self._run(command, timeout, cwd, env, stdin)

    async def _run(
        self,
        command: str,
        timeout: float | None,
        cwd: str | None,
        env: Mapping[str, str] | None,
        stdin: bytes,
    ) -> Result:
        try:
            running = self._channel.run(
                command,
                timeout=timeout_without(timeout, self._limits, self._backend.without),
                cwd=self._absolute(cwd or ""),
                env=self._line.environment(env),
                stdin=stdin,
                output_limit=limits_without(self._limits, self._backend.without).output,
            )
            result = await self._backend.disks.run(self._disk, running)
        except SandboxDied as error:
            raise await self._death(error) from error
        return await self._memory.named(result)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        """See `protocol.Sandbox.read`."""
        self._check(changing=False)
        if self._lent:  # somebody else is at work in this container
            turn = await self._turns.take(f"{self.name} (read)")
            try:
                return await turn.read(path, limit)
            finally:
                await turn.close()
        return await self._read(path, limit)

    async def _read(self, path: str, limit: int | None) -> bytes:
        try:
            return await self._channel.read(self._absolute(path), limit)
        except SandboxDied as error:
            raise await self._death(error) from error

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """See `protocol.Sandbox.write`."""
        self._check(changing=True)
        async with self._lock:
            self._check(changing=True)
            if self._writes is not None:
                self._writes.append((path, content, mode))
                if sum(len(done) for _path, done, _mode in self._writes) > REPLAYED_BYTES:
                    self._writes = None
            await self._write(path, content, mode)

    async def _write(self, path: str, content: bytes, mode: int) -> None:
        try:
            await self._channel.write(self._absolute(path), content, mode)
        except SandboxDied as error:
            raise await self._death(error) from error

    async def forward(self, ports: Mapping[int, PortHandler]) -> None:
        """See `protocol.Sandbox.forward`."""
        self._check(changing=True)
        check_network(self._world)
        if isinstance(self._channel, ShellChannel):
            raise NoPorts(
                f"This container cannot forward ports, since it has no exec server ({self._backend.lines.no_server}): "
                "use an engine of this machine, or overlay sandboxes."
            )
        async with self._lock:
            self._forwards = True
            try:
                await self._channel.forward(ports)
            except SandboxDied as error:
                raise await self._death(error) from error

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> DockerSandbox | Turn:
        """See `protocol.Sandbox.copy`. Copies of a sandbox in which a command ran share one committed layer."""
        self._check(changing=False)
        self._sealed = True
        if not fresh and network in (None, self._world.network) and self._can_lend():
            return await self._turns.take(name)
        return await self._copy(name, network)

    async def _copy(self, name: str, network: Literal["none", "host"] | None = None) -> DockerSandbox:
        async with self._lock:
            self._check(changing=False)
            ground, writes = self.ground, tuple(self._writes or ())
            if self._writes is None:
                if self._layer is None:
                    self._layer = (await self._committed()).take()
                ground = self._layer
            ground.take()  # held until the child has it, should this sandbox close meanwhile
        try:
            world = dataclasses.replace(self._world, network=network or self._world.network)
            return await self._backend._launch(ground, world, name, self._limits, writes)
        finally:
            await asyncio.shield(give_up(self._engine, ground))

    async def close(self) -> None:
        """See `protocol.Sandbox.close`."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    def _can_lend(self) -> bool:
        # With the host's network there is no telling whose connections are left. A forwarded port is its owner's.
        closed = self._world.network == "none" and not self._forwards
        return closed and docker_reset.possible(self._engine)

    async def _lend(self) -> _Lent:
        """What `Turns` hands on: this sandbox's own container the first time, where no command ran in it."""
        own = not self._lent and self._writes is not None
        self._lent = self._lent or own
        sandbox = self if own else await self._copy(f"{self.name}-again")
        try:
            return _Lent(sandbox, own, *await sandbox._look())
        except BaseException:
            if not own:
                await sandbox.close()
            raise

    async def _look(self) -> tuple[docker_reset.Mark | None, tuple[str, ...]]:
        """What `_Lent.bring_back` compares with; None where it cannot be known."""
        said = await self._run(docker_reset.FACTS, None, "/", None, b"")
        try:
            mark = await self._engine.call(docker_reset.mark, self._engine, self.container)
        except docker_reset.NotKnown:
            return None, ()
        return (None if said.exit_code else mark), docker_reset.facts(said.output)

    async def _end(self) -> None:
        await self._turns.close()
        await self._channel.abandon()
        self._line.close()
        self._backend.disks.forget(self._disk)
        await self._engine.call(remove_container, self._engine, self.container)
        self._backend._open.discard(self)
        for layer in (self._layer, self.ground):
            if layer is not None:
                await give_up(self._engine, layer)

    async def _committed(self) -> Layer:
        try:
            await self._channel.kill_all()  # children that a command left behind may still write
            return await self._backend._commit(self)
        except SandboxDied as error:
            raise await self._death(error) from error
        except (Missing, Busy) as error:
            raise await self._death(
                SandboxDied(f"sandbox {self.name} is gone and cannot be copied")
            ) from error

    async def _lives(self) -> bool:
        return await docker_container.lives(self._engine, self.container)

    def _check(self, *, changing: bool) -> None:
        if self._ending is not None:
            raise SandboxError(f"Sandbox {self.name} is closed.")
        if changing and self._sealed:
            raise SandboxSealed(f"Sandbox {self.name} was copied: run and write in a copy of it.")

    def _absolute(self, path: str) -> str:
        return posixpath.join("/", self._world.workdir, path)

    async def _death(self, error: SandboxDied) -> SandboxDied:
        """What the engine knows of the end of the container, in one sentence."""
        if self._ending is not None:
            return SandboxDied(f"sandbox {self.name} was closed while a command ran in it")
        try:
            seen = await self._engine.call(_ending_of, self._engine, self.container)
        except Exception:  # whatever it is, the engine is the news
            return SandboxDied(f"sandbox {self.name} died: the Docker engine stopped answering")
        if "oom" in seen:
            limit = f" ({self._limits.memory // 2**20} MB)" if self._limits.memory else ""
            return SandboxDied(f"sandbox {self.name} ran out of memory{limit} and was killed as a whole")
        if "kill" in seen:
            return SandboxDied(f"sandbox {self.name} was killed from outside")
        if "die" in seen:
            return SandboxDied(
                f"sandbox {self.name} ended: its first process or its channel's shell was killed"
            )
        return SandboxDied(f"sandbox {self.name} died: {error}")


class _Lent:
    """A sandbox that is handed on, and what it is brought back to. See `turns.Lent`."""

    def __init__(
        self, sandbox: DockerSandbox, own: bool, mark: docker_reset.Mark | None, facts: tuple[str, ...]
    ) -> None:
        self._sandbox, self._own, self._mark, self._facts = sandbox, own, mark, facts
        self.run, self.read, self.write = sandbox._run, sandbox._read, sandbox._write

    async def bring_back(self) -> bool:
        sandbox = self._sandbox
        if self._mark is None or sandbox._ending is not None:
            return False
        try:
            await sandbox._channel.kill_all()
            if not await sandbox._engine.call(self._mark.bring_back):
                return False
            said = await sandbox._run(docker_reset.FACTS, None, "/", None, b"")
        except SandboxError:
            return False
        return not said.exit_code and docker_reset.facts(said.output) == self._facts

    async def close(self) -> None:
        if not self._own:  # its own container stays until the sandbox closes
            await self._sandbox.close()


def _ending_of(engine: Engine, container: str) -> set[str]:
    """What happened around a container's end, from the engine's short memory: it was removed with its end.

    The end of the channel may be seen before the engine tells of the container's: up to DEATH_NEWS are waited.
    """
    now = (
        time.time()
    )  # the engine's clock, where it is another machine's, is taken to agree within the margins
    asked = {"since": f"{now - 2 * OOM_BEFORE:.3f}", "until": f"{now + DEATH_NEWS:.3f}"}
    seen: list[tuple[int, str]] = []
    stream = engine.api.events(decode=True, filters={"container": [container]}, **asked)
    try:
        for event in stream:
            seen.append((event.get("timeNano", 0), event.get("Action", "")))
            if seen[-1][1] == "die":
                break
    finally:
        stream.close()
    last = max((when for when, _what in seen), default=0)
    return {what for when, what in seen if when > last - OOM_BEFORE * 1e9}


def _ground_key(world: World) -> object:
    return world.root, world.places
