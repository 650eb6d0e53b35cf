"""What a sandbox is: an isolated copy of a prepared world in which commands run.

`World` says what the sandbox is made of, `Limits` what it may use, `Result` how a command ended; `Sandbox` is the
second of Winnow's three protocols and `Backend` is where one comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from .ports import PortHandler


@dataclass(frozen=True, slots=True)
class HostRoot:
    """The host's own root file system, read-only, by allow-list (see sandbox.host): no image is needed.

    extra: absolute paths shown read-only besides the list (an interpreter under a home, say).
    """

    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An image by name, as the engine knows it ("python:3.11-slim") or pulls it."""

    name: str


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """An image to be built: the file, the folder sent to the engine, and build-time network ("none" or "host")."""

    file: Path
    context: Path
    network: str = "host"


@dataclass(frozen=True, slots=True)
class RootFs:
    """A folder of the host that holds a whole root file system (an unpacked image, a debootstrap)."""

    folder: Path


Root = HostRoot | Image | Dockerfile | RootFs


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the host shown at an absolute path of the sandbox as a private writable copy (a layer, not a copy).

    The source must not change while a sandbox lives: hand over a frozen snapshot.
    """

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class World:
    """All that a sandbox of one task is made of. Equal worlds may share layers.

    workdir: where commands start. env: the whole environment of commands (an allow-list: nothing of the host's
    environment is added but PATH, HOME=/tmp/home, LANG and TMPDIR defaults where missing).
    network: "none", or "host" where the task's recipe asks for it and the report repeats it.
    """

    root: Root = field(default_factory=HostRoot)
    places: tuple[Place, ...] = ()
    workdir: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    network: Literal["none", "host"] = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sandbox may use. memory and disk in bytes, cpus in cores; None: no limit.

    `output` is how many bytes of a command's output are kept (head and tail halves), `timeout` the seconds a command
    gets where `run` names none.
    """

    memory: int | None = 4 * 2**30
    processes: int | None = 512
    cpus: float | None = None
    files: int | None = 4096
    disk: int | None = 8 * 2**30
    output: int = 1 << 20
    timeout: float = 100.0


Ended = Literal["exited", "timeout", "memory", "disk"]
"""Why a command is over: by itself, or stopped by one of its limits."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended.

    exit_code: the shell's (128 + signal for a signal; 124 with ended == "timeout"). ended: "memory" where the kernel
    killed a process of the sandbox for its memory limit and the command failed; "disk" where the sandbox wrote more
    than its limit and everything in it was killed (exit code 137). The output's last line says which.
    output: stdout and stderr as one text in the order they came, bytes that are no UTF-8 replaced; `cut` is how many
    bytes were left out of its middle (a line says so there). seconds: wall time.
    reused: it ran in a sandbox that somebody had before and that was brought back (`Sandbox.copy`, fresh=False): a
    weaker isolation.
    """

    exit_code: int
    output: str
    ended: Ended = "exited"
    cut: int = 0
    seconds: float = 0.0
    reused: bool = False


class SandboxError(Exception):
    """Something about sandboxes failed that is no result of a command. The message is one sentence."""


class SandboxDied(SandboxError):
    """The sandbox is gone (killed, out of memory, engine restarted): not the command's exit. Start a new one."""


class SandboxSealed(SandboxError):
    """A run or write after `copy`: the state that copies share must not change under them."""


class CannotStart(SandboxError):
    """No sandbox can be made here: no engine, no overlayfs, no such image, disk full. Says the one thing to do."""


class WrongRoot(CannotStart):
    """What the user named as a sandbox's root is none: no such image, a Dockerfile that fails, a folder without one."""


class DiskFull(CannotStart):
    """The disk that holds the sandboxes' layers is full."""


class NoPorts(SandboxError):
    """`forward` where no port can be forwarded: the sandbox has the host's network, or a shell for a channel."""


class NotThere(SandboxError):
    """`read` of a path that is no regular file inside the sandbox."""


class Sandbox(Protocol):
    """One isolated world with a channel that stays open. Commands run one at a time, in the order asked for.

    cheap_copies: whether a copy costs so little (milliseconds) that nobody gains from `copy` with fresh=False.
    """

    name: str
    cheap_copies: bool

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """Run a /bin/sh script of any length in `cwd` (default: the world's workdir), `env` added to the world's.

        After `timeout` seconds every process of the sandbox is killed and what was printed so far is returned with
        ended="timeout". A command may leave children behind when it ends; they live until the sandbox closes.
        Raises SandboxDied, SandboxSealed.
        """
        ...

    async def read(self, path: str, limit: int | None = None) -> bytes:
        """A file's bytes (at most `limit`), resolved inside the sandbox: a link cannot lead out. Raises NotThere."""
        ...

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file, its folders made where missing, resolved inside the sandbox. Relative to workdir."""
        ...

    async def forward(self, ports: Mapping[int, PortHandler]) -> None:
        """Have connections to these ports of the sandbox's own loopback (127.0.0.1) served by handlers of this process.

        The sandbox has no other way out, and gets none by this: what a handler does not do cannot be reached. Copies
        do not have the ports. They go on until the sandbox is copied or closed. Raises NoPorts, SandboxError (a port
        is taken), SandboxDied.
        """
        ...

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> Sandbox:
        """A new sandbox that starts from this one's files (not its processes), as a layer on top of them.

        network: the copy's network where it differs from this sandbox's (a set-up ran with one, attempts have none).
        fresh: False lets a backend whose copies are dear hand out one copy again and again, to one user at a time
        (the others wait for its close), after every process was killed and all files were shown to be as they were;
        where that cannot be shown, the next user gets a fresh copy. `Result.reused` says what a command ran in.

        The first copy seals this sandbox: run and write raise SandboxSealed from then on. It may be copied again,
        also after it was closed by nobody else: closing it while copies live is allowed, its layers go with the last.
        """
        ...

    async def close(self) -> None:
        """End every process and remove what the sandbox owned. Closing twice is no error."""
        ...


class Backend(Protocol):
    """Where sandboxes come from: "docker" or "overlay". cheap_copies: as its sandboxes have it."""

    name: str
    cheap_copies: bool

    async def start(self, world: World, *, name: str, limits: Limits) -> Sandbox:
        """Start a sandbox. name: for people, part of the label. Raises CannotStart (DiskFull), SandboxDied."""
        ...

    async def close(self) -> None:
        """Close every sandbox that is still open and drop what this backend holds for its run."""
        ...

    async def lacks(self) -> tuple[str, ...]:
        """What this kernel or engine cannot give here, a sentence each ("no memory limit: cgroups are ...").

        Found out by trying, which makes the backend ready. Raises CannotStart.
        """
        ...
