"""How Winnow and the first process of a container come to talk, and what that process is.

Where the engine sees this machine's files, it is the exec server (see sandbox/inside), run by a bundle of this
machine's Python. It calls on a socket in a folder that only this container is shown; exactly one call is taken, and
socket and folder are gone before any command runs. The call is the container's life line: the kernel closes it with
Winnow's process, however that ends, and the server's end is the container's.

Elsewhere it is the channel's shell, over the connection that is attached to the container's stdin and stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .docker_attach import Attached, attach
from .docker_bundle import INSIDE, Bundle
from .docker_client import Engine
from .exec_channel import ExecChannel
from .protocol import SandboxDied
from .shell_channel import ShellChannel

LINE = "/dev/.winnow-line"
"""Where the folder with the socket is shown."""

CHUNK = 1 << 18

LOOK = 1.0
"""Seconds between two looks at whether a container that has not called yet is still there."""

PATIENCE = 60.0
"""Seconds that a container may take to call, on the busiest of machines."""

ABANDONED = 3600.0
"""Seconds after which a socket's folder is one that a killed process left."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where an image says nothing; as the engine sets it."""

# HOME is made, since no image has it. What the engine adds to the environment by itself goes. `exec` keeps the shell
# that reads the channel the init's direct child: when it ends, so does the container.
_SHELL = '%s[ -d "$HOME" ] || mkdir -p -m 700 "$HOME"; exec /bin/sh'


class NoCall(SandboxDied):
    """A container did not call, or ended before it did."""


@dataclass(frozen=True, slots=True)
class First:
    """The first process, as the engine is told of it. environment: None takes a variable of the image away."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str | None]
    mounts: tuple[dict[str, Any], ...] = ()
    attached: bool = False


class Line(Protocol):
    """One container's line. complaint: what its first process said on stderr. pid: of it here, 0 where unknown."""

    first: First
    pid: int

    @property
    def complaint(self) -> bytes: ...

    async def before_start(self, container: str) -> None: ...

    async def channel(self, lives: Callable[[], Awaitable[bool]]) -> ShellChannel | ExecChannel:
        """Once the container was started. lives: whether it still does. Raises SandboxDied."""
        ...

    def environment(self, extra: Mapping[str, str] | None) -> Mapping[str, str]:
        """What the channel is told of a command's environment."""
        ...

    def close(self) -> None:
        """End it, and so the container."""
        ...


class ServerLine:
    """To an exec server. at: our folder, see docker_bundle.our_folder. filtered: see Bundle.arguments."""

    complaint = b""

    def __init__(
        self,
        bundle: Bundle,
        at: Path,
        environment: Mapping[str, str],
        of_image: Mapping[str, str],
        filtered: bool = True,
    ) -> None:
        # What no shell can export is left out, as a shell would.
        sayable = {name: value for name, value in of_image.items() if name.isidentifier() and name.isascii()}
        self._environment = {"PATH": PATH, **sayable, **environment}
        self._folder = Path(tempfile.mkdtemp(prefix="line-", dir=at))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream: socket.socket | None = None
        self.pid = 0
        try:
            self._listen()
        except BaseException:
            self.close()
            raise
        mounts = (_shown(bundle.folder, INSIDE), _shown(self._folder, LINE))
        arguments = bundle.arguments(f"{LINE}/s", self._environment.get("HOME", ""), filtered)
        # Nothing of the image's variables (LD_PRELOAD) is for the server.
        self.first = First(tuple(arguments), dict.fromkeys(of_image), mounts)

    def _listen(self) -> None:
        self._listener.setblocking(False)
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            # The way to the folder may be longer than a socket's name can be (108 bytes, unix(7)).
            self._listener.bind(f"/proc/self/fd/{folder}/s")
        finally:
            os.close(folder)
        self._listener.listen(1)
        # The container's user may be another; of this machine's, none gets as far as this folder.
        self._folder.chmod(0o711)
        (self._folder / "s").chmod(0o666)

    async def before_start(self, container: str) -> None:
        pass

    async def channel(self, lives: Callable[[], Awaitable[bool]]) -> ExecChannel:
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + PATIENCE
        call = asyncio.ensure_future(loop.sock_accept(self._listener))
        try:
            while not (await asyncio.wait({call}, timeout=LOOK))[0]:
                if not await lives():
                    raise NoCall("The sandbox has died: its container ended before its exec server called.")
                if time.monotonic() > deadline:
                    raise NoCall(
                        f"The sandbox has died: its exec server did not call within {PATIENCE:.0f} s."
                    )
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait({call})
        stream, _ = call.result()
        self._stream = stream
        stream.setblocking(False)
        self.pid = struct.unpack("iii", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        self._hang_up()
        return ExecChannel(
            lambda data: loop.sock_sendall(stream, data), lambda: loop.sock_recv(stream, CHUNK)
        )

    def environment(self, extra: Mapping[str, str] | None) -> Mapping[str, str]:
        """A command's whole environment."""
        return {**self._environment, **(extra or {})}

    def _hang_up(self) -> None:
        """Take no other call: the container is left with an empty folder that is nowhere any more."""
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        self._hang_up()
        if self._stream is not None:
            self._stream.close()


class ShellLine:
    """To the channel's shell."""

    pid = 0

    def __init__(self, engine: Engine, environment: Mapping[str, str]) -> None:
        self._engine = engine
        self._attached: Attached | None = None
        begin = _SHELL % ("" if "HOSTNAME" in environment else "unset HOSTNAME; ")
        self.first = First(("/bin/sh", "-c", begin), environment, attached=True)

    @property
    def complaint(self) -> bytes:
        return b"" if self._attached is None else self._attached.complaint

    async def before_start(self, container: str) -> None:
        self._attached = await attach(self._engine, container)

    async def channel(self, lives: Callable[[], Awaitable[bool]]) -> ShellChannel:
        assert self._attached is not None
        return ShellChannel(self._attached.send, self._attached.receive)

    def environment(self, extra: Mapping[str, str] | None) -> Mapping[str, str]:
        """What a command's environment has beyond the shell's own."""
        return extra or {}

    def close(self) -> None:
        if self._attached is not None:
            self._attached.close()


def sweep(at: Path) -> None:
    """Remove the folders of sockets that killed processes left."""
    for folder in at.glob("line-*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(folder)


def _shown(folder: Path, target: str) -> dict[str, Any]:
    options = {"Propagation": "rprivate"}
    return {"Type": "bind", "Source": str(folder), "Target": target, "ReadOnly": True, "BindOptions": options}
