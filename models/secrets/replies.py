"""What a server answers, without the secrets that it may have echoed: cleaned before anybody sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..protocol import Choice, Message, Reply, TokenLogprob, ToolCall
from .known import KNOWN, KnownSecrets


def redacted_reply(reply: Reply, known: KnownSecrets = KNOWN) -> Reply:
    """The reply without known secrets, in whichever field and pieces they stand; the same object without any."""
    cleaned = replace(
        reply,
        choices=tuple(_choice(choice, known) for choice in reply.choices),
        served_by=known.redact_reply(reply.served_by),
        notes=tuple(known.redact_reply(note) for note in reply.notes),
    )
    return reply if cleaned == reply else cleaned


def _choice(choice: Choice, known: KnownSecrets) -> Choice:
    message = choice.message
    cleaned = Message(
        role=message.role,
        content=known.redact_reply(message.content),
        cache=message.cache,
        tool_calls=tuple(
            ToolCall(
                known.redact_reply(call.id), known.redact_reply(call.name), _json_text(call.arguments, known)
            )
            for call in message.tool_calls
        ),
        tool_call_id=message.tool_call_id,
        thinking=None if message.thinking is None else _json_text(message.thinking, known),
    )
    return replace(choice, message=cleaned, logprobs=_logprobs(choice.logprobs, known))


def _json_text(text: str, known: KnownSecrets) -> str:
    """JSON text, also with a secret in several strings that belong together, as reasoning comes in pieces."""
    try:
        value = json.loads(text)
        pieces: dict[str, list[str]] = {}
        _collect(value, "", pieces)
        cleaned = {place: known.redact_pieces(texts) for place, texts in pieces.items()}
        if cleaned != pieces:
            text = json.dumps(_put_back(value, "", {at: iter(texts) for at, texts in cleaned.items()}))
    except (ValueError, RecursionError):
        pass
    return known.redact_reply(text)


def _collect(value: Any, place: str, pieces: dict[str, list[str]]) -> None:
    """Strings by place, those of a list's elements under one: they may be pieces of one text."""
    if isinstance(value, str):
        pieces.setdefault(place, []).append(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _collect(inner, f"{place}/{name}", pieces)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, f"{place}/", pieces)


def _put_back(value: Any, place: str, pieces: Mapping[str, Iterator[str]]) -> Any:
    if isinstance(value, str):
        return next(pieces[place])
    if isinstance(value, dict):
        return {name: _put_back(inner, f"{place}/{name}", pieces) for name, inner in value.items()}
    if isinstance(value, list):
        return [_put_back(inner, f"{place}/", pieces) for inner in value]
    return value


def _logprobs(
    tokens: tuple[TokenLogprob, ...] | None, known: KnownSecrets
) -> tuple[TokenLogprob, ...] | None:
    if not tokens:
        return tokens
    texts = [token.token for token in tokens]
    cleaned = known.redact_pieces(texts)
    return tuple(
        # The alternatives of a piece that was taken out are mostly the same piece.
        TokenLogprob(
            text,
            token.logprob,
            tuple((known.redact_reply(top), logprob) for top, logprob in token.top)
            if text == token.token
            else (),
        )
        for token, text in zip(tokens, cleaned, strict=True)
    )
