"""Which line the containers of one backend get: to an exec server where that works, to a shell where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from . import docker_container
from .docker_bundle import INSIDE, OURS, Bundle, NoBundle, bundle, our_folder
from .docker_client import Engine
from .docker_leftovers import remove_container
from .docker_line import NoCall, ServerLine, ShellLine, sweep
from .docker_skeleton import bare_image
from .protocol import CannotStart, Limits, SandboxError, World

ELSEWHERE = "the engine runs on another machine, or sees other files than this process"

SMALL = Limits(memory=64 << 20, processes=8)


class Lines:
    """served: a container's exec server has answered. no_server: why containers get a shell; empty where they do not.

    progress: told when it turns out that they get a shell. filtered: servers put Winnow's filter of system calls on.
    """

    def __init__(self, progress: Callable[[str], None] | None, filtered: bool = True) -> None:
        self.served = False
        self.no_server = ""
        self._progress, self._filtered = progress, filtered
        self._bundling: asyncio.Task[tuple[Bundle, Path] | None] | None = None

    async def new(
        self, engine: Engine, environment: Mapping[str, str], of_image: Mapping[str, str]
    ) -> ServerLine | ShellLine:
        """The line of a container that is to be made, for commands with the image's and this environment."""
        made = await self._bundled(engine)
        if made is None or self.no_server:
            return ShellLine(engine, environment)
        return ServerLine(*made, environment, of_image, self._filtered)

    def falls_back(self, error: Exception) -> bool:
        """Whether a start that failed so is worth another try, from now on with a shell."""
        if self.served or self.no_server or not _names_server(error):
            return False
        self._without_server(str(error))
        return True

    async def try_out(self, engine: Engine, run: str) -> None:
        """Find out whether containers can have a server, since a host's own rules may forbid it.

        One is started in a container that has nothing else, which takes about a third of a second.
        """
        made = await self._bundled(engine)
        if made is None or self.served or self.no_server:
            return
        name = docker_container.container_name(run, "trial", "0")
        line = ServerLine(*made, {}, {})
        try:
            image = await engine.call(bare_image, engine, run)
            await engine.call(
                docker_container.create,
                engine,
                image,
                name=name,
                run=run,
                world=World(),
                limits=SMALL,
                first=line.first,
                user="0:0",
            )
            await engine.call(engine.api.start, name)
            channel = await line.channel(lambda: docker_container.lives(engine, name))
            try:
                await channel.open()
            except CannotStart:
                self.served = True  # it said that there is no shell
            finally:
                await channel.abandon()
        except SandboxError as error:
            self._without_server(str(error))
        finally:
            line.close()
            await engine.call(remove_container, engine, name)

    async def _bundled(self, engine: Engine) -> tuple[Bundle, Path] | None:
        if self._bundling is None:
            self._bundling = asyncio.create_task(engine.call(self._bundle, engine))
        return await asyncio.shield(self._bundling)

    def _bundle(self, engine: Engine) -> tuple[Bundle, Path] | None:
        if not engine.local:
            self._without_server(ELSEWHERE)
            return None
        try:
            at = our_folder()
            sweep(at)
            return bundle(at), at
        except (NoBundle, OSError) as why:
            self._without_server(f"this machine's Python cannot be shown in a container: {why}")
            return None

    def _without_server(self, why: str) -> None:
        self.no_server = why.rstrip(".")
        if self._progress is not None:
            self._progress(f"containers have a shell in place of an exec server: {self.no_server}")


def _names_server(error: Exception) -> bool:
    """Whether a start failed because of what the server needs (the engine says which path it means)."""
    return isinstance(error, NoCall) or INSIDE in str(error) or f"/{OURS}" in str(error)
