"""The sandbox in which a world is built: its root, what it shows of the host, and how its steps are run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import Backend, HostRoot, Limits, Place, Root, RootFs, Sandbox, World

from .failures import StepFailed
from .index import Index
from .interpreters import Interpreter, uv_program
from .layers import layer, name_of
from .network import BuildNetwork, HostNetwork, IndexNetwork, network_of

ENV = "/opt/env"
"""Where every sandbox has the environment of a built world."""
AT = "/testbed"
"""Where every sandbox has the repository of a built world."""
_UV_AT = "/opt/uv"
_PATH = "/usr/local/bin:/usr/bin:/bin"
LIMITS = Limits(memory=8 * 2**30, processes=2048, disk=24 * 2**30, output=4 << 20, timeout=1800.0)
"""Of a build's sandbox. Compilers and resolvers need more than tests do."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What builds and worlds with one interpreter stand on.

    world_root, world_places: of the finished world. root, places: of a build's sandbox, which shows uv and local
    indexes too. uv: its path there. python: the interpreter's.
    """

    world_root: Root
    world_places: tuple[Place, ...]
    root: Root
    places: tuple[Place, ...]
    uv: str
    python: str


async def ground_for(interpreter: Interpreter, rootfs: Path | None, index: Index, folder: Path) -> Ground:
    """With the host's own root, folders of the host are shown as they are; on another root as places."""
    uv = Path(uv_program())
    if rootfs is None:
        needs = interpreter.needs()
        shown = tuple(dict.fromkeys((*needs, str(uv), *index.shows)))
        shown = tuple(path for path in shown if not any(path.startswith(f"{other}/") for other in shown))
        return Ground(HostRoot(needs), (), HostRoot(shown), (), str(uv), str(interpreter.executable))
    root = RootFs(rootfs)

    async def copy_uv(into: Path) -> None:
        await asyncio.to_thread(shutil.copy2, uv, into / "uv")

    async def copy_python(into: Path) -> None:
        # Without what somebody installed into it: that is neither the project's nor anybody's business.
        skip = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "test", "*.a")
        prefix = interpreter.prefix.resolve()
        await asyncio.to_thread(shutil.copytree, prefix, into / "python", symlinks=True, ignore=skip)

    tools = await layer(folder / "tools", name_of("uv", str(uv), os.stat(uv).st_mtime_ns), copy_uv)
    at = str(interpreter.prefix)
    if interpreter.in_system():  # the root must have its own
        world_places: tuple[Place, ...] = ()
    else:
        name = name_of("python", interpreter.version, at)
        copied = await layer(folder / "interpreters", name, copy_python)
        world_places = (Place(copied / "python", at),)
    shows = tuple(Place(Path(one), one) for one in index.shows)
    places = (*world_places, Place(tools, _UV_AT), *shows)
    return Ground(root, world_places, root, places, f"{_UV_AT}/uv", str(interpreter.executable))


@dataclass(slots=True)
class Bench:
    """A started sandbox of a build. env: what every step gets; network: what steps that install get besides. late:
    packages that are taken whatever the date, since all their files are younger. converts: whether packages are built
    by a setuptools that still converts Python 2 sources.
    """

    sandbox: Sandbox
    ground: Ground
    network: HostNetwork | IndexNetwork
    env: Mapping[str, str] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    converts: bool = False

    async def run(
        self,
        script: str,
        *,
        step: str,
        timeout: float | None = None,
        index: bool = False,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run a step; its output. Raises StepFailed (its output without passwords), SandboxDied."""
        code, output = await self.tried(script, timeout=timeout, index=index, cwd=cwd, env=env)
        if code:
            raise StepFailed(step, output)
        return output

    async def tried(
        self,
        script: str,
        *,
        timeout: float | None = None,
        index: bool = False,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """(exit code, output) of a step that may fail."""
        with self.network.step() if index else contextlib.nullcontext({}) as found:
            given = {**self.env, **found, **(env or {})}
            result = await self.sandbox.run(script, timeout=timeout, env=given, cwd=cwd)
        output = self.network.explained(result.output)
        if result.ended != "exited":
            output += f"\nerror: stopped by its limit of {result.ended}"
        if result.exit_code and index and (sentence := self.network.missed(output)):
            output += f"\n{sentence}"
        return result.exit_code, output

    async def uv(self, *words: str, step: str, timeout: float | None = None) -> str:
        """Run uv with the user's index. Raises StepFailed."""
        return await self.run(shlex.join([self.ground.uv, *words]), step=step, timeout=timeout, index=True)

    async def close(self) -> None:
        try:
            await self.sandbox.close()
        finally:
            await self.network.close()


async def open_bench(
    backend: Backend,
    ground: Ground,
    index: Index,
    places: tuple[Place, ...],
    name: str,
    env: Mapping[str, str],
    *,
    network: BuildNetwork = "index",
    hosts: tuple[str, ...] = (),
) -> Bench:
    """Start a build's sandbox: the only one of a task that reaches the package index, and the hosts that its recipe
    names. Raises CannotStart, SandboxDied.
    """
    fixed = {
        "UV_NO_PROGRESS": "1",
        "UV_NO_CONFIG": "1",
        "UV_LINK_MODE": "copy",
        "UV_CACHE_DIR": "/tmp/uv-cache",
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        # A repository shown by another user is none of git's business here; tools read versions from it.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    given = network_of(network, index, hosts)
    world = World(
        root=ground.root,
        places=(*ground.places, *places),
        workdir=AT,
        env=world_env(),
        network=given.sandbox,
    )
    sandbox = await backend.start(world, name=name, limits=LIMITS)
    bench = Bench(sandbox, ground, given, {**fixed, **env})
    try:
        await given.attach(sandbox)
    except BaseException:
        await bench.close()
        raise
    return bench


def world_env(services: bool = False) -> dict[str, str]:
    """The variables of every built world."""
    return {
        "PATH": f"{ENV}/bin:{_PATH}",
        "VIRTUAL_ENV": ENV,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
