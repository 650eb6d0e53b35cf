"""Pulling an image: progress, retries, a pull that hangs, a disk that would run full, several who want the same.

The size of an image is checked while it is pulled, not before: the engine says each layer's size as its download
begins, and the sum of what is still needed is held against the free space of its disk all the time. So it works with
whatever stands between the engine and the registry (mirrors, proxies, credentials that only the engine's host has),
which asking the registry ourselves would not, and it notices when somebody else fills the disk meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .docker_client import ANSWER_SECONDS, Engine, engine_said
from .image_facts import Progress
from .protocol import CannotStart, DiskFull, WrongRoot
from .pull_account import PullAccount

RESERVE = 256 << 20
"""Bytes of the engine's disk that no pull may take: containers that run write there too."""

_LOOK = 0.2  # seconds between two looks at whether anybody still wants the pull


@dataclass(frozen=True, slots=True)
class PullRules:
    """When a pull is given up, and tried again.

    tries: in all. pause: seconds before the second try, doubled each time up to 20, with jitter. silent: seconds
    without anything new after which a try counts as failed; the engine is silent itself while it checks a layer of
    many GB. free: bytes free on the engine's disk, None where nobody here can know; by default the real disk is asked.
    """

    tries: int = 4
    pause: float = 0.5
    silent: float = 180.0
    free: Callable[[], int | None] | None = None


class PullStopped(CannotStart):
    """Nobody waits for the pull any more."""


class _PullFailed(Exception):
    """One try of a pull that may go better next time."""


def pull(
    engine: Engine,
    name: str,
    progress: Progress | None = None,
    *,
    stop: threading.Event | None = None,
    rules: PullRules | None = None,
) -> None:
    """Pull an image by name with the credentials of Docker's own configuration. Blocks.

    Whoever asks for an image that this process is already pulling waits for that pull. progress gets lines such as
    "python:3.11-slim: 45 of 120 MB, 2 of 7 layers". stop: when it is set, this caller is let go (PullStopped), and the
    pull ends with its last caller. Raises WrongRoot where the registry does not give it, CannotStart where the
    network does not, DiskFull before the disk is.
    """
    key = (str(engine.api.base_url), name)
    with _lock:
        shared = _going.get(key)
        if shared is None or shared.abandoned.is_set():
            shared = _going[key] = _SharedPull(engine, name, rules or PullRules())
            new = True
        else:
            new = False
        shared.listeners.append(progress or _nothing)
        waiting = shared.listeners[-1]
    if new:
        threading.Thread(target=_work, args=(key, shared), name="winnow-pull", daemon=True).start()
    try:
        while not shared.done.wait(_LOOK):
            if stop is not None and stop.is_set():
                raise PullStopped(f"pulling {name} was stopped")
    finally:
        with _lock:
            shared.listeners.remove(waiting)
            if not shared.listeners:
                shared.abandoned.set()
    if shared.failure is not None:
        raise shared.failure


class _SharedPull:
    """One pull and all who wait for it."""

    def __init__(self, engine: Engine, name: str, rules: PullRules) -> None:
        self.engine, self.name, self.rules = engine, name, rules
        self.listeners: list[Progress] = []
        self.abandoned = threading.Event()
        self.done = threading.Event()
        self.failure: Exception | None = None

    def tell(self, line: str) -> None:
        with _lock:
            listeners = list(self.listeners)
        for listener in listeners:
            listener(line)


_lock = threading.Lock()
_going: dict[tuple[str, str], _SharedPull] = {}


def _nothing(line: str) -> None:
    pass


def _work(key: tuple[str, str], shared: _SharedPull) -> None:
    try:
        _try_again(shared)
    except Exception as error:
        shared.failure = error
    finally:
        with _lock:
            if _going.get(key) is shared:
                del _going[key]
        shared.done.set()


def _try_again(shared: _SharedPull) -> None:
    """Pull, again after trouble that may pass; what the last try said is the failure's reason."""
    import tenacity

    rules = shared.rules
    tries = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(rules.tries) | tenacity.stop_when_event_set(shared.abandoned),
        wait=tenacity.wait_exponential(multiplier=rules.pause, max=20)
        + tenacity.wait_random(0, 2 * rules.pause),
        sleep=tenacity.sleep_using_event(shared.abandoned),
        retry=tenacity.retry_if_exception_type(_PullFailed),
        before_sleep=lambda state: shared.tell(
            f"{shared.name}: {state.outcome.exception() if state.outcome else 'failed'}; trying again"
        ),
        reraise=True,
    )
    try:
        tries(_try_once, shared)
    except _PullFailed as error:
        raise CannotStart(
            f"the image {shared.name} is not here and cannot be pulled ({error}); pull or load it where its registry "
            "can be reached, or leave --image out"
        ) from error


def _try_once(shared: _SharedPull) -> None:
    engine, name, rules = shared.engine, shared.name, shared.rules
    account, said = PullAccount(), ""
    free = rules.free or (lambda: free_space(engine))
    news = time.monotonic()
    stream = _Stream(engine, name, rules.silent)
    try:
        for line in stream:
            if shared.abandoned.is_set():
                raise PullStopped(f"pulling {name} was stopped")
            if line is not None and "error" in line:
                raise _refused(name, str(line["error"]))
            if line is not None and account.take(line):
                news = time.monotonic()
            elif time.monotonic() - news > rules.silent:
                raise _PullFailed(f"nothing came for {rules.silent:.0f} s")
            _check_room(name, account.needed, free())
            if (words := account.words()) and words != said:
                said = words
                shared.tell(f"{name}: {words}")
    finally:
        stream.close()


def _check_room(name: str, needed: int, free: int | None) -> None:
    if free is not None and needed + RESERVE > free:
        raise DiskFull(
            f"the disk that holds Docker's images is too full for {name}: it needs about {needed / 1e6:.0f} MB more of "
            f"{free / 1e6:.0f} MB, where {RESERVE / 1e6:.0f} MB must stay free; make room (`winnow images --prune`, "
            "`docker system df`)"
        )


def free_space(engine: Engine) -> int | None:
    """Bytes free on the disk of a local engine; None for one on another machine."""
    folder = engine.info.get("DockerRootDir") or ""
    while engine.local and folder.startswith("/"):
        with contextlib.suppress(OSError):  # parts of it are closed to ordinary users: their parents are not
            about = os.statvfs(folder)
            return about.f_bavail * about.f_frsize
        if folder == "/":
            break
        folder = os.path.dirname(folder)
    return None


class _Stream:
    """The engine's lines about a pull, read in a thread so that it can be left at any time."""

    def __init__(self, engine: Engine, name: str, silent: float) -> None:
        self._engine, self._name, self._silent = engine, name, silent
        self._lines: queue.SimpleQueue[dict[str, Any] | Exception | None] = queue.SimpleQueue()
        self._response: Any = None
        self._closed = False
        threading.Thread(target=self._read, name="winnow-pull-lines", daemon=True).start()

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        """Each line as it comes, and None now and then while none comes. Raises what the pull's failure means."""
        while True:
            try:
                line = self._lines.get(timeout=_LOOK)
            except queue.Empty:
                yield None
                continue
            if line is None:
                return
            if isinstance(line, Exception):
                raise self._meant(line)
            yield line

    def close(self) -> None:
        """Let go of the pull: the engine ends one that nobody listens to.

        An engine that has not said anything yet cannot be hung up on; it is as soon as it does.
        """
        from docker.errors import DockerException
        from docker.types.daemon import CancellableStream

        self._closed = True
        if self._response is not None:
            with contextlib.suppress(DockerException, OSError, AttributeError, ValueError):
                CancellableStream(iter(()), self._response).close()

    def _read(self) -> None:
        try:
            with self._ask() as response:
                self._response = response
                if response.status_code >= 400:
                    self._lines.put(_Refused(response.status_code, _message(response)))
                elif not self._closed:
                    for line in response.iter_lines():
                        if line.strip():
                            self._lines.put(json.loads(line))
            self._lines.put(None)
        except Exception as error:
            self._lines.put(error)

    def _ask(self) -> Any:
        from docker.utils import parse_repository_tag

        from docker import auth

        api = self._engine.api
        repository, tag = parse_repository_tag(self._name)
        registry, _path = auth.resolve_repository_name(repository)
        header = auth.get_config_header(api, registry)
        return api.post(
            f"{api.base_url}/v{api.api_version}/images/create",
            params={"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": header} if header else {},
            stream=True,
            timeout=(ANSWER_SECONDS, self._silent),
        )

    def _meant(self, error: Exception) -> Exception:
        from docker.errors import DockerException
        from requests import RequestException, Timeout

        if isinstance(error, _Refused):
            return _refused(self._name, error.said, error.status)
        if isinstance(error, Timeout) or "Read timed out" in str(error):
            return _PullFailed(f"nothing came for {self._silent:.0f} s")
        if isinstance(error, DockerException | RequestException | OSError | ValueError):
            return _PullFailed(_short(str(error)))
        return error


class _Refused(Exception):
    """The engine's answer to the request itself."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


def _message(response: Any) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"


FOR_GOOD = (
    "not found",
    "manifest unknown",
    "name unknown",
    "access denied",
    "unauthorized",
    "no basic auth credentials",
    "does not exist",
    "no matching manifest",
    "invalid reference",
)


def _refused(name: str, said: str, status: int = 500) -> Exception:
    """What a refusal means: for good (no such image, no right, disk full), or for now."""
    low = said.lower()
    if "no space left" in low:
        return engine_said(said)
    # A name server's "host not found" is no word about the image.
    if "lookup" not in low and (status in (400, 404) or any(words in low for words in FOR_GOOD)):
        return WrongRoot(
            f"there is no image {name} here and its registry does not give it ({_short(said, 200)}); check the name, "
            "or `docker login` where it is private"
        )
    return _PullFailed(_short(said))


def _short(text: str, length: int = 300) -> str:
    return " ".join(text.split())[:length]
