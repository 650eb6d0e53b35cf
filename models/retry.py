"""Asking again when the world was at fault: exponential back-off with jitter, the server's own wish first."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from .errors import ModelError
from .protocol import Model, Reply, Request

PATIENCE = 900.0
"""Seconds from a call's first failure on for which it is tried again."""
_FIRST = 0.5
_LONGEST = 60.0

Told = Callable[[ModelError, float], None]
"""Told of a failure and the seconds until the next try, for the progress view."""


class Retrying:
    """`inner`, asked again after errors that are the world's until `patience` is spent; then the last error is raised.

    Stands outside of the limit on calls in flight: a call that waits for its next try holds no slot.
    Back-off: half to all of 0.5 s, 1 s, 2 s ... 60 s, drawn evenly (jitter as in "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015), and never less than Retry-After.
    """

    def __init__(
        self,
        inner: Model,
        patience: float = PATIENCE,
        *,
        told: Told | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.name = inner.name
        self._inner = inner
        self._patience = patience
        self._told = told
        self._sleep = sleep
        self._clock = clock

    async def ask(self, request: Request, at: str = "") -> Reply:
        failed_since: list[float] = []

        def spent(state: RetryCallState) -> bool:
            failed_since.append(self._clock())
            return self._clock() - failed_since[0] + state.upcoming_sleep > self._patience

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if self._told and isinstance(error, ModelError):
                self._told(error, state.upcoming_sleep)

        tries = AsyncRetrying(
            retry=retry_if_exception(_is_worlds),
            wait=_wait,
            stop=spent,
            before_sleep=tell,
            sleep=self._sleep,
            reraise=True,
        )
        return await tries(self._inner.ask, request, at)


def _is_worlds(error: BaseException) -> bool:
    return isinstance(error, ModelError) and error.fault == "world"


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try."""
    step = min(_LONGEST, _FIRST * 2 ** min(state.attempt_number - 1, 16))
    jittered = random.uniform(step / 2, step)
    wish = getattr(state.outcome.exception() if state.outcome else None, "retry_after", None)
    # On top of the server's wish: those who were told the same moment should not all come at it.
    return jittered if wish is None else wish + jittered / 2
