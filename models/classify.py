"""From an SDK's exception to one of ours: whose fault it was, and one sentence with what to do.

litellm's exceptions are subclasses of openai's, so one reading serves both. Neither package is imported here: what
counts is the status, the body, the headers and the class names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .errors import ContextOverflow, ModelError, RateLimited, Refused, ServerFault, TimedOut, Unreachable
from .secrets import KNOWN

_OVERFLOW = re.compile(
    "|".join(
        (
            r"context[_ ]length",  # OpenAI, vLLM, DeepSeek, Ollama, LM Studio
            r"context (?:window|size|limit)",  # OpenAI's newer wording, llama.cpp, Anthropic
            r"exceed_context_size",  # llama.cpp's error type
            r"maximum (?:model|prompt) length",  # vLLM, xAI
            r"(?:prompt|input) is too long",  # Anthropic, Bedrock
            r"prompt too long",  # Ollama
            r"input (?:token count|tokens|length) .{0,40}exceeds?",  # Gemini, OpenAI
            r"input tokens exceed",
            r"too large for model with",  # Mistral
            r"request too large for",  # OpenAI and Groq: beyond the tokens a minute that the account may ever send
            r"reduce the length of",
        )
    ),
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[_ ](?:filter|policy|management policy)|ContentPolicy", re.IGNORECASE)
_OVERLOADED = re.compile(r"overloaded|at capacity|resource[_ ]exhausted", re.IGNORECASE)
_NO_CREDIT = re.compile(
    r"insufficient_quota|exceeded your current quota|credit balance|billing", re.IGNORECASE
)
_AGAIN_IN = re.compile(r"(?:try again|retry) (?:in|after) (\d+(?:\.\d+)?) ?(ms|s|m)", re.IGNORECASE)
_RETRY_DELAY = re.compile(r"retryDelay\W+(\d+(?:\.\d+)?)s")
_KEY = re.compile(r"\b(sk|gsk|xai|key|AIza)[-_A-Za-z0-9*]{12,}")
_HOMES = {"openai", "litellm", "httpx", "httpx2", "httpcore", "aiohttp", "json"}
_LITELLMS = re.compile(r"^(?:litellm\.)?(?:\w+Error: ?(?:litellm\.)?)+(?:\w+Exception - )?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked, for the sentences: the model's name, the server's address, the variable with its key."""

    model: str
    where: str = ""
    key_variable: str = ""


def classify(error: Exception, asked: Asked) -> ModelError:
    """What `error` means; `is_the_calls` says of which errors this may be asked."""
    if isinstance(error, ModelError):
        return error
    status = getattr(error, "status_code", None)
    names = _names(error)
    text = said(error)
    if "APITimeoutError" in names or "Timeout" in names or status == 408:
        return TimedOut(f"{_server(asked)} gave no answer in time.")
    if "APIConnectionError" in names and not _is_status(error):
        return _connection(error, asked)
    if overflows(error):
        return ContextOverflow(f"The conversation does not fit {asked.model}: {text}")
    return _status(error, status if isinstance(status, int) else 0, text, asked)


def is_the_calls(error: Exception) -> bool:
    """Whether `error` comes from the call (an SDK, HTTP, JSON, the socket) and not from a mistake in our own code."""
    homes = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    return bool(homes & _HOMES) or isinstance(error, ModelError | OSError | UnicodeDecodeError)


def said(error: Exception) -> str:
    """The server's own words, on one line, at most 300 characters, without keys."""
    body = getattr(error, "body", None)
    for key in ("error", "message", "detail"):
        if isinstance(body, Mapping) and body.get(key):
            body = body[key]
    text = body if isinstance(body, str) and body else str(getattr(error, "message", "") or error)
    # Before it is cut: the half of a key would not be known for one.
    text = KNOWN.clean(KNOWN.redact_reply(text))
    text = _LITELLMS.sub("", _KEY.sub(r"\1-...", " ".join(text.split()))) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def overflows(error: Exception) -> bool:
    """Whether the server says that the conversation is too long for the model."""
    if "ContextWindowExceededError" in _names(error):
        return True
    status = getattr(error, "status_code", None)
    return status not in (401, 403, 404) and bool(_OVERFLOW.search(_everything(error)))


def is_filtered(error: Exception) -> bool:
    """Whether a provider's content filter stopped the request or the reply."""
    status = getattr(error, "status_code", None)
    return status in (400, 403, 422) and bool(_FILTERED.search(_everything(error)))


def retry_after(error: Exception) -> float | None:
    """Seconds that the server asked to wait: headers first (seconds, milliseconds or a date), then its words."""
    for headers in _headers(error):
        if (value := _number(headers.get("retry-after-ms"))) is not None:
            return value / 1000
        if (value := _wait(headers.get("retry-after"))) is not None:
            return value
    text = _everything(error)
    if match := _AGAIN_IN.search(text):
        return float(match[1]) * _UNITS[match[2].lower()]
    match = _RETRY_DELAY.search(text)
    return float(match[1]) if match else None


def _status(error: Exception, status: int, text: str, asked: Asked) -> ModelError:
    server = _server(asked)
    key = f"check {asked.key_variable}" if asked.key_variable else "check the key"
    if _NO_CREDIT.search(_everything(error)) and status in (400, 402, 403, 429):
        return Refused(f"{server} says the account has no credit left: {text}")
    if status in (429, 529) or (status in (500, 502, 503) and _OVERLOADED.search(_everything(error))):
        return RateLimited(f"{server} asks for fewer calls: {text}", retry_after(error))
    if status == 503 and (wait := retry_after(error)) is not None:
        return RateLimited(f"{server} is not available for {wait:g} s: {text}", wait)
    if status in (401, 403):
        return Refused(f"{server} does not accept the key ({status}): {key}. It says: {text}")
    if status == 404:
        hint = "check the model's name" + (" and --api-base" if asked.where else "")
        return Refused(f"{server} does not know {asked.model} (404): {hint}. It says: {text}")
    if status in (409, 425) or status >= 500 or status < 400:
        return ServerFault(f"{server} failed ({status or type(error).__name__}): {text}")
    return Refused(f"{server} refuses the request ({status}): {text}")


def _connection(error: Exception, asked: Asked) -> ModelError:
    causes = {name for cause in _chain(error) for name in _names(cause)}
    server = _server(asked)
    if causes & {"ConnectError", "ConnectionRefusedError", "ClientConnectorError", "gaierror"}:
        hint = "start it, or check --api-base" if asked.where else "check the network"
        return Unreachable(f"{server} cannot be reached: {hint}.")
    if causes & {"ReadTimeout", "ConnectTimeout", "PoolTimeout", "WriteTimeout", "TimeoutError"}:
        return TimedOut(f"{server} gave no answer in time.")
    if "ImportError" in causes:
        return Refused(f"litellm needs another package for {asked.model}: install it. It says: {said(error)}")
    if causes & {"ValueError", "LookupError", "TypeError", "AttributeError"}:
        return ServerFault(f"{server} sent a reply that cannot be read: {said(error)}")
    return Unreachable(f"{server} cut the connection before its reply was complete.")


def _server(asked: Asked) -> str:
    return f"The server of {asked.model}" + (f" at {asked.where}" if asked.where else "")


def _is_status(error: Exception) -> bool:
    """litellm calls some replies with a status connection errors."""
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and status not in (0, 500)


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _everything(error: Exception) -> str:
    """All that the server said, codes and types too."""
    body = getattr(error, "body", None)
    text = body if isinstance(body, str) else json.dumps(body, default=str) if body else ""
    return f"{type(error).__name__} {getattr(error, 'message', '')} {error} {text}"


def _headers(error: Exception) -> list[Mapping[str, str]]:
    found = [getattr(getattr(error, "response", None), "headers", None)]
    found += [getattr(error, name, None) for name in ("headers", "litellm_response_headers")]
    return [headers for headers in found if isinstance(headers, Mapping)]


def _wait(value: str | None) -> float | None:
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < 1e9 else None
