"""The connection to a Docker engine: one client for many threads, and its failures as sentences.

The SDK is blocking: `Engine.call` runs it in threads of its own, so that a long pull never starves the rest of the
program of asyncio's few default threads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .protocol import CannotStart, DiskFull, SandboxError

if TYPE_CHECKING:
    import docker

T = TypeVar("T")

THREADS = 16
ANSWER_SECONDS = 120  # a busy engine may take long over one call; a dead one refuses at once


class NoEngine(CannotStart):
    """No engine answers. `why` and `cure` are the two halves of the sentence."""

    def __init__(self, why: str, cure: str) -> None:
        super().__init__(f"{why}; {cure}")
        self.why, self.cure = why, cure


class Missing(SandboxError):
    """The engine does not have the container or image that was asked for."""


class Busy(SandboxError):
    """The engine refuses because something is in use, or is being done already."""


class Engine:
    """A Docker engine that answered once. `api` is the SDK's low-level client, safe to use from many threads."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.api = client.api
        self.info: dict[str, Any] = client.info()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="winnow-docker")

    @property
    def socket(self) -> str | None:
        """The path of the engine's unix socket, None for one reached over the network."""
        return getattr(self.api.get_adapter(self.api.base_url), "socket_path", None)

    @property
    def local(self) -> bool:
        """Whether the engine sees this machine's folders under the same paths: only then can they be bound.

        A virtual machine's engine (Docker Desktop) has a unix socket too, but another kernel; one whose socket was
        handed into the container that we run in has another host name.
        """
        here = (os.uname().release, os.uname().nodename)
        return self.socket is not None and (self.info.get("KernelVersion"), self.info.get("Name")) == here

    async def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a blocking function in a thread; the engine's errors come out as the room's own.

        Cancelled, it still waits for the thread: what the thread makes could not be removed before it is there.
        """

        def run() -> T:
            with plain_errors():
                return function(*args, **kwargs)

        running = asyncio.get_running_loop().run_in_executor(self._threads, run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self.api.close()


def connect() -> Engine:
    """The engine that DOCKER_HOST or Docker's current context names. Raises NoEngine."""
    import requests

    import docker

    try:
        return Engine(docker.from_env(timeout=ANSWER_SECONDS, max_pool_size=4 * THREADS))
    except (docker.errors.DockerException, requests.RequestException, ValueError, OSError) as error:
        raise _no_engine(error) from error


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what the SDK raises into Missing (404), Busy (409), DiskFull, CannotStart or SandboxError."""
    import requests

    import docker

    try:
        yield
    except docker.errors.APIError as error:
        said = " ".join(str(error.explanation or error).split())
        if error.status_code in (404, 409):
            raise (Missing if error.status_code == 404 else Busy)(
                f"the Docker engine says: {said}"
            ) from error
        raise engine_said(said) from error
    except docker.errors.DockerException as error:
        raise engine_said(str(error)) from error
    except requests.RequestException as error:
        if isinstance(error, requests.Timeout):
            raise SandboxError(f"the Docker engine gave no answer within {ANSWER_SECONDS} s") from error
        raise _no_engine(error) from error


def engine_said(words: str) -> CannotStart:
    """The engine's own words as one sentence, a full disk told apart."""
    words = " ".join(str(words).split())
    if "no space left on device" in words or "disk quota exceeded" in words:
        return DiskFull(
            "the disk that holds Docker's images is full; free some space (docker system df shows what)"
        )
    return CannotStart(f"the Docker engine says: {words[:500]}")


def _no_engine(error: BaseException) -> NoEngine:
    host = os.environ.get("DOCKER_HOST", "")
    cause = next((e for e in _causes(error) if isinstance(e, OSError) and e.errno), None)
    if host and not host.startswith("unix://"):
        if "ssh" in host:
            return NoEngine(
                f"an engine at {host} is not reached over ssh from here",
                "forward its socket (ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST) "
                "and set DOCKER_HOST=unix:///tmp/docker.sock",
            )
        return NoEngine(
            f"no Docker engine answers at {host}", "start it there, or unset DOCKER_HOST for the local one"
        )
    if isinstance(cause, PermissionError):
        return NoEngine(
            "this user may not talk to the Docker engine",
            "run `sudo usermod -aG docker $USER` and log in again",
        )
    if shutil.which("dockerd") is None and shutil.which("docker") is None:
        return NoEngine(
            "Docker is not installed",
            "as root on Debian run `sh docker/setup-debian.sh`, else see docs.docker.com",
        )
    if os.uname().sysname == "Darwin":
        return NoEngine("the Docker engine is not running", "start Docker Desktop or colima")
    return NoEngine(
        "the Docker engine is not running", "run `sudo systemctl start docker` (or `sudo dockerd &`)"
    )


def _causes(error: BaseException | None, seen: int = 0) -> Iterator[BaseException]:
    """An error and everything it wraps: urllib3 and requests keep the system's error among their arguments."""
    if error is None or seen > 8:
        return
    yield error
    for inner in (*getattr(error, "args", ()), error.__cause__, error.__context__):
        if isinstance(inner, BaseException):
            yield from _causes(inner, seen + 1)
