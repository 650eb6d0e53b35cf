"""A model whose every answer is in the journal before anybody sees it, and is never asked for twice."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from models import BudgetSpent, ContextOverflow, Model, ModelError, Reply, Request
from models.secrets.replies import redacted_reply
from store import Key, Part, Step

from .pen import FAILED, Pen, place

_KEPT = {"ContextOverflow": ContextOverflow, "BudgetSpent": BudgetSpent}
"""Errors that are the attempt's own: asked again they would be the same, so they are journaled like answers."""


class JournaledModel:
    """`inner` with the journal of one trajectory in front.

    given: what was answered to its first question already, in a request that several trajectories share (or what came
    instead). The step is written all the same, as "given" and at no cost: the request was paid for where it was asked.
    """

    def __init__(self, inner: Model, pen: Pen, given: Reply | ModelError | None = None):
        self.name = inner.name
        self._inner = inner
        self._pen = pen
        self._given = given

    async def ask(self, request: Request, at: str = "") -> Reply:
        key = self._pen.key(at)
        given, self._given = self._given, None
        parts = request.digests()
        if step := self._pen.recall(key, parts):
            return _answer(step)
        if step := self._pen.inherit(key, parts):
            step = replace(step, answer=redacted_reply(Reply.from_json(step.answer)).to_json())
            await self._pen.finish(self._pen.write(step, _texts(request, parts)))
            return _answer(step)
        return await self._pen.finish(self._ask_and_write(request, key, parts, given))

    async def _ask_and_write(
        self,
        request: Request,
        key: Key,
        parts: tuple[tuple[str, str], ...],
        given: Reply | ModelError | None,
    ) -> Reply:
        started = time.time()
        kind = "ask" if given is None else "given"
        try:
            if isinstance(given, ModelError):
                raise given
            # Whoever answered, a recording too: what the trajectory sees is what the journal keeps.
            reply = redacted_reply(given or await self._inner.ask(request, at=place(key)))
        except ModelError as error:
            if type(error).__name__ in _KEPT:
                answer = json.dumps({"error": type(error).__name__, "message": str(error)})
                step = Step(key, kind, parts, answer, 0, 0, 0, 0.0, started, time.time() - started)
                await self._pen.write(step, _texts(request, parts))
            raise
        usage = reply.usage
        step = Step(
            key,
            kind,
            parts,
            reply.to_json(),
            usage.prompt,
            usage.completion,
            usage.cached,
            reply.cost,
            started,
            time.time() - started,
        )
        await self._pen.write(step, _texts(request, parts))
        return reply


def _answer(step: Step) -> Reply:
    if step.answer.startswith(FAILED):
        stored = json.loads(step.answer)
        raise _KEPT[stored["error"]](stored["message"])
    return Reply.from_json(step.answer)


def _texts(request: Request, parts: tuple[tuple[str, str], ...]) -> list[Part]:
    """The request's parts with their texts: of a message its content, and its tool calls where it has some."""
    texts = []
    for message in request.messages:
        calls = "".join(f"\n[tool call {c.name}] {c.arguments}" for c in message.tool_calls)
        texts.append(message.content + calls)
    texts.append(request.settings())
    return [Part(label, text) for (label, _), text in zip(parts, texts, strict=True)]
