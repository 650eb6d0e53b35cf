"""How many tokens a text is, roughly, without a vocabulary."""

from __future__ import annotations

from .protocol import Request

BYTES_PER_TOKEN = 3.5
"""UTF-8 bytes a token. With cl100k_base, Python sources have 4.4 characters a token (median over 300 files of the
standard library and pip; 4.1 at the lower quartile, 2.5 at the fifth percentile: tables of data). 3.5 errs on the safe
side for what counts here, staying inside a window; a Chinese character is three bytes and about one token."""
_PER_MESSAGE = 8
"""Tokens that a chat template puts around one message."""


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` has: too many rather than too few for source code and English."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return int(size / BYTES_PER_TOKEN + 0.999)


def estimate_request(request: Request) -> int:
    """About how many prompt tokens `request` has, tools included."""
    total = sum(estimate_tokens(str(tool)) for tool in request.tools)
    for message in request.messages:
        total += _PER_MESSAGE + estimate_tokens(message.content)
        total += sum(estimate_tokens(call.name + call.arguments) for call in message.tool_calls)
    return total
