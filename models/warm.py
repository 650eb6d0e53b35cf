"""One request of a shared prefix goes ahead, so that the others find the provider's or the server's cache warm."""

from __future__ import annotations

import asyncio

from .protocol import Model, Reply, Request, digest


class Warming:
    """`inner`, with the first request of each marked prefix let through alone.

    The prefix ends at the last message with a cache mark; requests without a mark, or whose prefix was asked before,
    go on at once. Where the first one fails, all others go on: each has its own retries, and to wait for one another's
    would add them up. Source: CodeMonkeys, whose ten samples share
    one prefix of up to 128,000 tokens: one sample writes the cache, the others read it.
    """

    def __init__(self, inner: Model):
        self.name = inner.name
        self._inner = inner
        self._warm: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = {}

    async def ask(self, request: Request, at: str = "") -> Reply:
        prefix = _prefix(request)
        if prefix is None or prefix in self._warm:
            return await self._inner.ask(request, at)
        turn = self._turns.setdefault(prefix, asyncio.Lock())
        async with turn:
            if prefix not in self._warm:
                try:
                    return await self._inner.ask(request, at)
                finally:
                    self._warm.add(prefix)
                    self._turns.pop(prefix, None)
        return await self._inner.ask(request, at)


def _prefix(request: Request) -> str | None:
    marks = [i for i, message in enumerate(request.messages) if message.cache]
    return digest("".join(m.digest() for m in request.messages[: marks[-1] + 1])) if marks else None
