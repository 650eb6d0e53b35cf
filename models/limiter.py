"""One limit on calls in flight, shared by all trajectories, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque

from .errors import RateLimited, TimedOut
from .limit_rule import LimitRule, work
from .protocol import Model, Reply, Request

_LONGEST_PAUSE = 60.0
"""Seconds. A server that asks for more has a quota by the hour or the day: each call should hear so itself."""


class Limit:
    """Slots for calls, as many as the rule allows at the moment. Belongs to one event loop."""

    def __init__(self, rule: LimitRule | None = None):
        self.rule = rule or LimitRule()
        self.in_flight = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._wake: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot."""
        return len(self._queue)

    async def acquire(self) -> None:
        """Take a slot; wait in line where there is none. Cancelled, it leaves the line and keeps no slot."""
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        self._grant()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.release()
            elif place in self._queue:
                self._queue.remove(place)
            raise

    def release(self) -> None:
        """Give a slot back to the first in line."""
        self.in_flight -= 1
        self._grant()

    def pause(self, seconds: float) -> None:
        """Start no call for a while: the server named the moment from which on it takes calls again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if seconds > _LONGEST_PAUSE or until <= self._paused_until:
            return
        self._paused_until = until
        if self._wake is not None:
            self._wake.cancel()
        self._wake = loop.call_later(seconds, self._grant, True)

    def _grant(self, pause_is_over: bool = False) -> None:
        if pause_is_over:
            self._paused_until = 0.0
        if self._paused_until > asyncio.get_running_loop().time():
            return
        while self._queue and self.in_flight < int(self.rule.limit):
            place = self._queue.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)


class Limited:
    """`inner`, called only with a slot of `limit`; how its calls end moves the limit (see limit_rule)."""

    def __init__(self, inner: Model, limit: Limit):
        self.name = inner.name
        self._inner = inner
        self._limit = limit

    async def ask(self, request: Request, at: str = "") -> Reply:
        limit, clock = self._limit, asyncio.get_running_loop().time
        await limit.acquire()
        started = clock()
        try:
            reply = await self._inner.ask(request, at)
            done = work(reply.usage.prompt, reply.usage.cached, reply.usage.completion)
            limit.rule.succeeded(started, clock(), done, limit.in_flight)
            return reply
        except (RateLimited, TimedOut) as error:
            limit.rule.refused(started, clock(), limit.in_flight)
            if wait := getattr(error, "retry_after", None):
                limit.pause(wait)
            raise
        finally:
            limit.release()
