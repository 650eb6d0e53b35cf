"""A gguf file on this machine as a model: served by a process of our own, which the first question starts."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from .errors import Refused, Unreachable
from .gguf_file import GgufFile, read_gguf
from .local_process import LocalProcess
from .openai_client import TIMEOUT, OpenAIClient
from .prices import Price
from .protocol import Reply, Request

SLOTS = 2
"""Conversations that are answered at the same time; each has a window of its own in memory."""
LEAST_WINDOW = 4_096
"""Tokens: with fewer no prompt and reply of ours fit together."""
_BESIDE = 512 << 20
"""Bytes that are needed beside the file and the windows: buffers, and what everything else on the machine uses."""
_STARTS = 3
"""Ends of the process in a row, without an answer in between, after which it is not started again."""
_NOTICED = 2.0
"""Seconds in which the end of a process is known after its connections have ended."""
_GIB = 1 << 30


class LocalModel:
    """A Model (see models.choose.Client) that is a file. It costs no money."""

    def __init__(
        self,
        name: str,
        *,
        window: int | None = None,
        slots: int = SLOTS,
        threads: int | None = None,
        price: Price | None = None,
        timeout: float = TIMEOUT,
    ):
        """name: the file's path. window: tokens of each slot; None: see `fitting_window`. threads: None: one for
        each core. timeout: seconds.

        Raises Refused: no such file, no gguf, the extra is not installed, not enough memory, too small a window.
        """
        self.name = name
        self.price = price or Price(0.0, 0.0)
        self.path = Path(name).expanduser()
        self.slots = slots
        self.threads = threads
        facts = read_gguf(self.path)
        if find_spec("xllamacpp") is None:
            raise Refused(
                f"To serve {self.path.name} in process Winnow needs xllamacpp: pip install 'winnow[local]' (or "
                "serve it yourself and say --api-base URL)."
            )
        self.window = window or fitting_window(self.path, slots)
        _check_window(self.path, self.window, facts)
        _check_memory(self.path, self.window, slots, facts)
        self._timeout = timeout
        self._server: LocalProcess | None = None
        self._client: OpenAIClient | None = None
        self._starting = asyncio.Lock()
        self._ended = 0

    async def ask(self, request: Request, at: str = "") -> Reply:
        """See Model. Raises Unreachable where the process ended under the question; asked again, it is started anew."""
        server, client = await self._served()
        try:
            # Each choice takes a slot; what is missing is asked for again (AllChoices).
            reply = await client.ask(replace(request, n=min(request.n, self.slots)), at)
        except Unreachable:
            if not await server.ends(_NOTICED):
                raise
            raise Unreachable(f"The process that serves {self.path.name} {server.how_it_ended}.") from None
        self._ended = 0
        return reply

    async def close(self) -> None:
        """End the process."""
        if self._client is not None:
            await self._client.close()
        if self._server is not None:
            await self._server.close()
        self._client = self._server = None

    async def _served(self) -> tuple[LocalProcess, OpenAIClient]:
        async with self._starting:
            if self._server is not None and self._client is not None and self._server.alive:
                return self._server, self._client
            if self._server is not None:
                self._ended += 1
                if self._ended >= _STARTS:
                    how = self._server.how_it_ended
                    raise Refused(f"The process that serves {self.path} {how}, {_STARTS} times in a row.")
                await self.close()
            self._server = await LocalProcess.begin(
                self.path.resolve(), self.window, self.slots, self.threads
            )
            self._client = OpenAIClient(
                self.name,
                self.path.name,
                api_base=f"{self._server.address}/v1",
                api_key=self._server.key,
                price=self.price,
                timeout=self._timeout,
            )
            return self._server, self._client


def fitting_window(path: Path, slots: int = SLOTS, most: int = 128_000) -> int:
    """The tokens of each slot's window: what the model was trained for, and what the memory that is free now holds."""
    facts = read_gguf(path)
    window = min(facts.window, most)
    free = _free_memory()
    if free is not None and facts.cache:
        room = int((free - facts.size - _BESIDE) / (facts.cache * slots)) // 1_024 * 1_024
        window = min(window, max(LEAST_WINDOW, room))
    return window


def _check_window(path: Path, window: int, facts: GgufFile) -> None:
    if window < LEAST_WINDOW:
        what = f"was trained for {facts.window}" if window == facts.window else f"is to have {window}"
        raise Refused(
            f"The window of {path.name} is too small: it {what} tokens, and an issue with a reply takes at least "
            f"{LEAST_WINDOW}."
        )


def _check_memory(path: Path, window: int, slots: int, facts: GgufFile) -> None:
    needed, free = facts.size + window * slots * facts.cache + _BESIDE, _free_memory()
    if free is not None and needed > free:
        raise Refused(
            f"There is not enough memory for {path.name}: with {slots} windows of {window} tokens it takes about "
            f"{needed / _GIB:.1f} GiB, and {free / _GIB:.1f} are free: say a smaller --context-window, fewer "
            "-o model.slots, or take a smaller model."
        )


def _free_memory() -> int | None:
    """Bytes that this process may still use, None where the system does not say."""
    free = _meminfo()
    try:
        group = Path("/sys/fs/cgroup")
        most, used = (group / "memory.max").read_text().strip(), int((group / "memory.current").read_text())
        left = int(most) - used if most != "max" else None
    except (OSError, ValueError):
        left = None
    return left if free is None else free if left is None else min(free, left)


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1_024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
