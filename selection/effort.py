"""What gathering evidence takes: a model and a sandbox that count what goes through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models import Model, Reply, Request
from sandbox import Result, Sandbox

from .evidence import Effort


class Meter:
    """Counts by kind of evidence. Calls and executions that a journal answers count too: they were paid once."""

    def __init__(self, before: Mapping[str, Effort] | None = None):
        self._spent: dict[str, Effort] = dict(before or {})

    @property
    def spent(self) -> Mapping[str, Effort]:
        return dict(self._spent)

    def model(self, inner: Model, kind: str) -> Model:
        return _CountedModel(inner, self, kind)

    def sandbox(self, inner: Sandbox, kind: str) -> Sandbox:
        return _CountedSandbox(inner, self, kind)

    def asked(self, kind: str, reply: Reply) -> None:
        tokens = reply.usage.prompt + reply.usage.completion
        self._add(kind, calls=1, tokens=tokens, cost=reply.cost or 0.0, seconds=reply.seconds)

    def ran(self, kind: str, result: Result) -> None:
        self._add(kind, executions=1, seconds=result.seconds)

    def _add(self, kind: str, **more: Any) -> None:
        old = self._spent.get(kind, Effort())
        self._spent[kind] = Effort(
            old.calls + more.get("calls", 0),
            old.executions + more.get("executions", 0),
            old.tokens + more.get("tokens", 0),
            old.cost + more.get("cost", 0.0),
            old.seconds + more.get("seconds", 0.0),
        )


class _CountedModel:
    def __init__(self, inner: Model, meter: Meter, kind: str):
        self.name = inner.name
        self._inner, self._meter, self._kind = inner, meter, kind

    async def ask(self, request: Request, at: str = "") -> Reply:
        reply = await self._inner.ask(request, at=at)
        self._meter.asked(self._kind, reply)
        return reply


class _CountedSandbox:
    """Files that are written and read are no executions."""

    def __init__(self, inner: Sandbox, meter: Meter, kind: str):
        self.name, self.cheap_copies = inner.name, inner.cheap_copies
        self._inner, self._meter, self._kind = inner, meter, kind

    async def run(self, command: str, **options: Any) -> Result:
        result = await self._inner.run(command, **options)
        self._meter.ran(self._kind, result)
        return result

    async def read(self, path: str, limit: int | None = None) -> bytes:
        return await self._inner.read(path, limit)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        await self._inner.write(path, content, mode)

    async def copy(self, name: str, **options: Any) -> Sandbox:
        return _CountedSandbox(await self._inner.copy(name, **options), self._meter, self._kind)

    async def close(self) -> None:
        await self._inner.close()
