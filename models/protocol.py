"""What it is to ask a language model: messages in, choices out, and one protocol with a single method.

Everything here is data. `Request` and `Reply` travel through the wrappers (retry, limits, budget, journal) unchanged,
and `digests` is how the journal and the recordings know that a request is still the one they answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for. `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    cache: this message ends a prefix that other requests share; providers with explicit cache marks get one here.
    thinking: the provider's own reasoning blocks as JSON text, carried back verbatim where the provider wants them.
    """

    role: Role
    content: str
    cache: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    thinking: str | None = None

    def digest(self) -> str:
        """32 hex characters over what the model is shown (cache marks and thinking blocks are not part of it)."""
        shown = [self.role, self.content, [[c.name, c.arguments] for c in self.tool_calls], self.tool_call_id]
        return digest(json.dumps(shown, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a reply may be that a grammar forces: lines of each part of it at most, characters of a line at most."""

    lines: int = 400
    columns: int = 1_000


ReplyForm = Callable[[Bounds], str]
"""The replies that an asker can read, as a grammar (GBNF, llama.cpp's) within bounds; its first rule is `root`."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question to a model: `n` choices are wanted; `logprobs` is how many top alternatives a token should carry.

    None leaves a setting to the server. temperature is dropped, with a note in the reply, where a server rejects it.
    form: of the replies that can be read; it is part of what is asked only where it became the `grammar` that the
    server keeps the reply to (see forcing).
    """

    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    n: int = 1
    seed: int | None = None
    logprobs: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    form: ReplyForm | None = None
    grammar: str = ""

    def settings(self) -> str:
        """Everything but the messages, as canonical JSON. A grammar is named only where there is one."""
        names = ["temperature", "max_tokens", "n", "seed", "logprobs", "stop", "tools"]
        names += ["grammar"] if self.grammar else []
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True)

    def digests(self) -> tuple[tuple[str, str], ...]:
        """(label, digest) of each message and of the settings, e.g. ("message 2 (user)", "9f..")."""
        messages = tuple((f"message {i} ({m.role})", m.digest()) for i, m in enumerate(self.messages, 1))
        return messages + (("settings", digest(self.settings())),)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the server counted them, all choices together.

    `cached` (read from the cache) and `cache_written` are part of `prompt`, `reasoning` is part of `completion`.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    cache_written: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
            self.cache_written + other.cache_written,
        )


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token, its log-probability, and the alternatives as (token, log-probability) pairs."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One sampled answer. finish: "stop", "length", "tool_calls" or "content_filter"."""

    message: Message
    finish: str = "stop"
    logprobs: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. cost in USD, None where no price is known; notes are sentences on what the server lacked."""

    choices: tuple[Choice, ...]
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    seconds: float = 0.0
    served_by: str = ""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The first choice's content."""
        return self.choices[0].message.content

    def to_json(self) -> str:
        return _REPLY.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> Reply:
        return _REPLY.validate_json(text)


class Model(Protocol):
    """Somebody who answers. The first of Winnow's three protocols."""

    name: str

    async def ask(self, request: Request, at: str = "") -> Reply:
        """Answer `request`.

        at: the step's place. A trajectory passes a branch name ("relevance/src/a.py", "editing"); the journal makes it
        a structural key ("attempt-2/editing/3") for those below. Plain clients ignore it.

        Raises a `ModelError` (see models.errors), whose `fault` says whether the attempt, the world or the user is to
        blame.
        """
        ...


def digest(text: str) -> str:
    """The first 32 hex characters of SHA-256 over UTF-8 (lone surrogates kept)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


_REPLY = TypeAdapter(Reply)
