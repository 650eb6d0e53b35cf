"""What a server turned out not to take, learnt from its refusals and remembered for its client.

Reasoning models refuse temperature, want max_completion_tokens for max_tokens, and have no log-probabilities; other
servers know no seed, or give one choice a call. A refusal costs nothing, so asking once is better than a list of names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_DROPPABLE = {
    "temperature": ("temperature",),
    "seed": ("seed",),
    "stop": ("stop",),
    "n": ("n",),
    "logprobs": ("logprobs", "top_logprobs"),
    "tools": ("tools",),
    "grammar": ("grammar", "chat_template_kwargs"),
}
_THINKING = ("reasoning_content", "reasoning_details", "reasoning", "thinking_blocks")
_REFUSES = re.compile(
    r"unsupported|not support|n't support|not allowed|only the default|deprecated|unrecognized|unknown"
    r"|not permitted|cannot be used|not available|use '?max_completion_tokens"
    r"|must be at most 1|must be (?:equal to )?1\b",
    re.IGNORECASE,
)
_ONE_CHOICE = re.compile(
    r"only one completion choice|\bn ?> ?1\b|\bn ?(?:!=|must be) ?1\b|field 'n': value must be", re.IGNORECASE
)
_NO_TOOLS = re.compile(
    r"not support (?:tools|tool use|tool calling|function calling)|support tool use"
    r"|requires --enable-auto-tool-choice|tools param requires",
    re.IGNORECASE,
)
"""How Ollama, OpenRouter, vLLM and llama.cpp say that this model, as it is served, calls no tools."""
_MOST_TOKENS = (
    re.compile(r"at most (\d+) (?:completion|output) tokens", re.IGNORECASE),
    re.compile(r"max_tokens: \d+ > (\d+)"),
)


def left_out(name: str) -> str:
    """The sentence in a reply's notes that says that the server was not sent `name` of the request."""
    return f"The server does not take {name}: it was left out."


class Quirks:
    """One server's. max_tokens_name: the field in which it takes the limit on generated tokens."""

    def __init__(self, max_tokens_name: str = "max_tokens"):
        self.max_tokens_name = max_tokens_name
        self.dropped: set[str] = set()
        self.most_tokens: int | None = None
        self.room = 1

    def apply(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """(the body as this server takes it, a sentence for each thing that was left out)."""
        body = dict(body)
        notes = []
        for name in sorted(self.dropped):
            fields = [field for field in _DROPPABLE.get(name, ()) if body.pop(field, None) is not None]
            if fields:
                notes.append(left_out(name))
        if "thinking" in self.dropped:
            body["messages"] = [
                {k: v for k, v in message.items() if k not in _THINKING} for message in body["messages"]
            ]
        if "max_tokens" in body:
            limit = body.pop("max_tokens") * self.room
            body[self.max_tokens_name] = limit if self.most_tokens is None else min(limit, self.most_tokens)
        return body, notes

    def learn(self, error: Exception, sent: Mapping[str, Any]) -> bool:
        """Remember what `error` refuses of what was `sent`. Whether the same request is worth sending again."""
        if "tools" in sent and getattr(error, "status_code", None) and _NO_TOOLS.search(_words(error)):
            self.dropped.add("tools")  # with whatever status: they give 400, 404 and 500
            return True
        unsupported = any(cls.__name__ == "UnsupportedParamsError" for cls in type(error).__mro__)
        if getattr(error, "status_code", None) not in (400, 422) and not unsupported:
            return False
        text = _words(error)
        if limit := sent.get(self.max_tokens_name):
            for pattern in _MOST_TOKENS:
                if (match := pattern.search(text)) and 0 < int(match[1]) < limit:
                    self.most_tokens = int(match[1])
                    return True
        param = _parameter(error)
        if param is None and not _REFUSES.search(text) and not _ONE_CHOICE.search(text):
            return False
        if "max_tokens" in sent and (param == "max_tokens" or (param is None and _names("max_tokens", text))):
            self.max_tokens_name = "max_completion_tokens"
            return True
        for name, fields in _DROPPABLE.items():
            if any(f in sent and (param == f or (param is None and _names(f, text))) for f in fields):
                self.dropped.add(name)
                return True
        thought = any(field in message for message in sent["messages"] for field in _THINKING)
        if thought and any(field in text for field in _THINKING):
            self.dropped.add("thinking")
            return True
        return False


def _parameter(error: Exception) -> str | None:
    """The parameter that the error's body names, without an index: "messages[0].name" is no parameter of ours."""
    body = getattr(error, "body", None)
    param = body.get("param") if isinstance(body, Mapping) else None
    return param if isinstance(param, str) and param else None


def _names(field: str, text: str) -> bool:
    """Whether a refusal is about `field`. Short names are words too, so they count only in quotes."""
    if field == "n" and _ONE_CHOICE.search(text):
        return True
    if field in ("n", "stop", "seed"):
        return re.search(rf"['\"`]{field}['\"`]|parameters?:? {field}\b", text) is not None
    return re.search(rf"(?<![\w]){field}(?![\w])", text) is not None


def _words(error: Exception) -> str:
    body = getattr(error, "body", None)
    return f"{error} {json.dumps(body, default=str) if body else ''}"
