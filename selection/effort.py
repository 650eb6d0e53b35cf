"""What gathering evidence takes: a model and a sandbox that count what goes through them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from models import Model, Reply, Request
from sandbox import Result, Sandbox

from .evidence import Effort


class Meter:
    """Counts by kind of evidence. Calls and executions that a journal answers count too: they were paid once."""

    def __init__(self, before: Mapping[str, Effort] | None = None):
        self._before = dict(before or {})
        self._replies: dict[str, list[Reply]] = defaultdict(list)
        self._executions: Counter[str] = Counter()

    @property
    def spent(self) -> Mapping[str, Effort]:
        """With what was spent before, by kind in alphabetical order."""
        used = {
            *self._before,
            *self._executions,
            *(kind for kind, replies in self._replies.items() if replies),
        }
        return {kind: self._of(kind) for kind in sorted(used)}

    def model(self, inner: Model, kind: str) -> Model:
        return _CountedModel(inner, self._replies[kind].append)

    def sandbox(self, inner: Sandbox, kind: str) -> Sandbox:
        return _CountedSandbox(inner, lambda: self._executions.update([kind]))

    def _of(self, kind: str) -> Effort:
        replies, old = self._replies[kind], self._before.get(kind, Effort())
        return Effort(
            calls=old.calls + len(replies),
            executions=old.executions + self._executions[kind],
            tokens=old.tokens + sum(reply.usage.prompt + reply.usage.completion for reply in replies),
            # Exactly rounded: the order in which replies arrive must not show in the sum.
            cost=math.fsum([old.cost, *(reply.cost or 0.0 for reply in replies)]),
        )


class _CountedModel:
    def __init__(self, inner: Model, count: Callable[[Reply], None]):
        self.name = inner.name
        self._inner, self._count = inner, count

    async def ask(self, request: Request, at: str = "") -> Reply:
        reply = await self._inner.ask(request, at=at)
        self._count(reply)
        return reply


class _CountedSandbox:
    """Files that are written and read are no executions."""

    def __init__(self, inner: Sandbox, count: Callable[[], None]):
        self.name, self.cheap_copies = inner.name, inner.cheap_copies
        self._inner, self._count = inner, count

    async def run(self, command: str, **options: Any) -> Result:
        result = await self._inner.run(command, **options)
        self._count()
        return result

    async def read(self, path: str, limit: int | None = None) -> bytes:
        return await self._inner.read(path, limit)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        await self._inner.write(path, content, mode)

    async def copy(self, name: str, **options: Any) -> Sandbox:
        return _CountedSandbox(await self._inner.copy(name, **options), self._count)

    async def close(self) -> None:
        await self._inner.close()
