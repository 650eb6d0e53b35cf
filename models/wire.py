"""The form of OpenAI's chat completions: a Request as its JSON body, and its JSON reply as choices and usage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import RateLimited, ServerFault
from .protocol import Choice, Message, Request, TokenLogprob, ToolCall, Usage
from .secrets import KNOWN
from .tokens import estimate_request, estimate_tokens

_THINKING = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
"""Fields of a message in which servers give their reasoning, and take it back."""
_MARKS = 4
"""Cache marks that Anthropic takes in one request."""
_FINISH = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_FINISH |= {"tool_use": "tool_calls", "content_filter": "content_filter", "refusal": "content_filter"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a reply's body holds."""

    choices: tuple[Choice, ...]
    usage: Usage
    served_by: str
    notes: tuple[str, ...] = ()


def body_of(model: str, request: Request, marks: bool = False) -> dict[str, Any]:
    """The JSON body. marks: put cache marks on the last messages that ask for one."""
    marked = [i for i, message in enumerate(request.messages) if message.cache][-_MARKS:] if marks else []
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message, i in marked) for i, message in enumerate(request.messages)],
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.n != 1:
        body["n"] = request.n
    if request.seed is not None:
        body["seed"] = request.seed
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = list(request.tools)
    if request.grammar:
        # A thought before the reply is nothing that the grammar has, and would be all that comes.
        body |= {"grammar": request.grammar, "chat_template_kwargs": {"enable_thinking": False}}
    return body


def parse(body: Any, request: Request) -> Parsed:
    """Choices and usage of a reply's body. Raises ServerFault where it is no reply (RateLimited if it says so)."""
    if not isinstance(body, Mapping):
        raise ServerFault("The server's reply is no JSON object.")
    if body.get("error") and not body.get("choices"):
        raise _error_in(body["error"])
    raw = body.get("choices")
    if not isinstance(raw, list) or not raw:
        raise ServerFault("The server's reply has no choices.")
    choices = tuple(choice for choice in map(_choice, raw) if choice is not None)
    if not choices:
        raise ServerFault("The server's reply has no content.")
    notes = []
    if request.logprobs is not None and any(choice.logprobs is None for choice in choices):
        notes.append("Log-probabilities were asked for; the server gave none.")
    usage = _usage(body.get("usage"))
    if usage is None:
        notes.append("The server counted no tokens: they are estimated.")
        said = sum(estimate_tokens(choice.message.content) for choice in choices)
        usage = Usage(prompt=estimate_request(request), completion=said)
    return Parsed(choices[: request.n], usage, str(body.get("model") or ""), tuple(notes))


def _message(message: Message, mark: bool) -> dict[str, Any]:
    content: Any = _encodable(message.content)
    if mark and content:
        content = [{"type": "text", "text": content, "cache_control": {"type": "ephemeral"}}]
    wire: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_calls:
        wire["content"] = content or None
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.thinking is not None:
        wire |= {k: v for k, v in json.loads(message.thinking).items() if k in _THINKING}
    return wire


def _choice(raw: Any) -> Choice | None:
    """One choice; None where the server gave neither content nor a reason for there being none."""
    message = raw.get("message") if isinstance(raw, Mapping) else None
    if not isinstance(message, Mapping):
        return None
    thinking = {key: message[key] for key in _THINKING if message.get(key)}
    calls = tuple(filter(None, map(_tool_call, message.get("tool_calls") or ())))
    finish = _FINISH.get(str(raw.get("finish_reason")), "tool_calls" if calls else "stop")
    content = _text(message.get("content"))
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    if content is None and not (calls or thinking or finish in ("length", "content_filter")):
        return None
    content, inline = _unthought(content or "")
    if inline and not thinking:
        thinking = {
            "inline": inline
        }  # Kept for the reader; chat templates want it dropped, so it is not sent back.
    said = Message(
        role="assistant",
        content=content,
        tool_calls=calls,
        thinking=json.dumps(thinking, ensure_ascii=False) if thinking else None,
    )
    return Choice(said, finish, _logprobs(raw.get("logprobs")))


def _text(content: Any) -> str | None:
    """Content as text; some servers give a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "".join(part for part in parts if isinstance(part, str))
    return _encodable(content) if isinstance(content, str) else None


def _encodable(text: str) -> str:
    """With a question mark for each lone surrogate (a byte of a file that is no UTF-8), which JSON cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _unthought(content: str) -> tuple[str, str]:
    """(content, thinking) where a server without a reasoning parser left `<think>` at the head of the content."""
    if not content.lstrip().startswith("<think>"):
        return content, ""
    thought, _, rest = content.lstrip().removeprefix("<think>").partition("</think>")
    return rest.lstrip("\n"), thought


def _tool_call(raw: Any) -> ToolCall | None:
    function = raw.get("function") if isinstance(raw, Mapping) else None
    if not isinstance(function, Mapping) or not function.get("name"):
        return None
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return ToolCall(str(raw.get("id") or ""), str(function["name"]), text)


def _logprobs(raw: Any) -> tuple[TokenLogprob, ...] | None:
    content = raw.get("content") if isinstance(raw, Mapping) else None
    if not content:
        return None
    return tuple(
        TokenLogprob(
            str(token["token"]),
            float(token["logprob"]),
            tuple((str(top["token"]), float(top["logprob"])) for top in token.get("top_logprobs") or ()),
        )
        for token in content
    )


def _usage(raw: Any) -> Usage | None:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("prompt_tokens"), int):
        return None
    prompt = raw.get("prompt_tokens_details") or {}
    completion = raw.get("completion_tokens_details") or {}
    return Usage(
        prompt=raw["prompt_tokens"],
        completion=raw.get("completion_tokens") or 0,
        # The first is OpenAI's, vLLM's and llama.cpp's; the second Anthropic's through litellm; the third DeepSeek's.
        cached=prompt.get("cached_tokens")
        or raw.get("cache_read_input_tokens")
        or raw.get("prompt_cache_hit_tokens")
        or 0,
        reasoning=completion.get("reasoning_tokens") or 0,
        cache_written=raw.get("cache_creation_input_tokens") or prompt.get("cache_creation_tokens") or 0,
    )


def _error_in(error: Any) -> ServerFault | RateLimited:
    """An error that came with status 200, as OpenRouter sends them."""
    text = KNOWN.redact_reply(str(error.get("message") if isinstance(error, Mapping) else error))[:300]
    if isinstance(error, Mapping) and str(error.get("code")) in ("429", "529"):
        return RateLimited(f"The server asks for fewer calls: {text}")
    return ServerFault(f"The server's reply is an error: {text}")
