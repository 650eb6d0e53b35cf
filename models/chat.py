"""One question to a chat-completions server, whichever SDK carries it: learn what it refuses, give thought room."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .classify import Asked, classify, is_filtered, is_the_calls, overflows
from .errors import ContextOverflow, Refused
from .prices import Price, cost
from .protocol import Choice, Message, Reply, Request, Usage
from .quirks import Quirks
from .secrets.replies import redacted_reply
from .wire import Parsed, body_of, parse

Send = Callable[[dict[str, Any]], Awaitable[Any]]
"""Sends a JSON body, returns the reply's JSON body; raises what its SDK raises."""

_ROOM = 4
"""Times max_tokens for a model whose reasoning used all of it."""
_REFUSALS = 8
"""Refusals of one request to learn from: one for each parameter that can be left out."""


@dataclass(slots=True)
class Chat:
    """A server as a client knows it. marks: it takes cache marks on messages."""

    model: str
    asked: Asked
    send: Send
    price: Price | None = None
    marks: bool = False
    quirks: Quirks = field(default_factory=Quirks)

    async def ask(self, request: Request) -> Reply:
        """Ask, without retries but those that a refusal of a parameter or the room for thought call for."""
        started = time.monotonic()
        room = self.quirks.room
        parsed, notes = await self._once(request)
        usage = parsed.usage
        if _thought_only(parsed) and request.max_tokens and room < _ROOM:
            again, told = await self._with_room(request)
            if again is not None:
                note = f"The reasoning used all of {request.max_tokens} tokens: now {_ROOM} times as many are allowed."
                parsed, notes, usage = again, [*told, note], usage + again.usage
        return redacted_reply(
            Reply(
                choices=parsed.choices,
                usage=usage,
                cost=cost(self.price, usage),
                seconds=time.monotonic() - started,
                served_by=parsed.served_by or self.model,
                notes=tuple(dict.fromkeys((*notes, *parsed.notes))),
            )
        )

    async def _once(self, request: Request, room_is_new: bool = False) -> tuple[Parsed, list[str]]:
        whole = body_of(self.model, request, self.marks)
        for _ in range(_REFUSALS):
            body, notes = self.quirks.apply(whole)
            try:
                answer = await self.send(body)
            except Exception as error:
                if not is_the_calls(error):
                    raise  # A bug of ours: to ask again would hide it.
                if is_filtered(error):
                    return _filtered(request), [*notes, "The provider's content filter stopped the call."]
                if overflows(error) and self.quirks.room > 1 and request.max_tokens and not room_is_new:
                    self.quirks.room = 1  # The conversation has grown: what room there is belongs to it.
                    continue
                if not overflows(error) and self.quirks.learn(error, body):
                    continue
                raise classify(error, self.asked) from error
            # Log-probabilities that were not sent for are no surprise, and have their note already.
            expected = replace(request, logprobs=None) if "logprobs" in self.quirks.dropped else request
            return parse(answer, expected), notes
        raise Refused(f"The server of {self.model} refuses every form of the request.")

    async def _with_room(self, request: Request) -> tuple[Parsed | None, list[str]]:
        """The same with more tokens to generate; None where the server has no such room."""
        self.quirks.room = _ROOM
        try:
            return await self._once(request, room_is_new=True)
        except (ContextOverflow, Refused):
            self.quirks.room = 1
            return None, []


def _thought_only(parsed: Parsed) -> bool:
    """Whether every choice ended at max_tokens before its first visible word."""
    return all(
        choice.finish == "length" and not choice.message.content.strip() and not choice.message.tool_calls
        for choice in parsed.choices
    )


def _filtered(request: Request) -> Parsed:
    return Parsed((Choice(Message("assistant", ""), finish="content_filter"),), Usage(), "")
