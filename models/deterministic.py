"""A model whose replies follow from the request alone: for trying things out without a key, and for tests.

Replies come from a function, or from a file of rules (TOML or JSON):

    seed = 1
    [[rules]]
    at = "editing"                      # regex, searched in the step's place; may be left out
    says = "in file (?P<file>\\\\S+)"     # regex, searched in the last message; may be left out
    reply = "<edit file={{file}}> ..."  # {{name}}: a named group of either regex, or {{at}}
    [[rules]]
    replies = ["YES", "NO"]             # one of them, drawn by seed, place and choice
    logprobs = { YES = -0.1, NO = -2.3 } # of the first token, where log-probabilities are asked for
    calls = [{ name = "bash", arguments = { command = "ls {{file}}" } }]   # tools that the reply calls
    finish = "stop"
    seconds = 0.5                       # how long the reply takes

The first rule that matches answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from .errors import Refused
from .prices import Price, cost
from .protocol import Choice, Message, Reply, Request, TokenLogprob, ToolCall, Usage, digest

CHARS_PER_TOKEN = 4
"""What its usage is counted by: simple enough to check by hand."""

Said = str | Message | Choice | Sequence[str] | Reply
Answer = Callable[[Request, str], Said]
"""From a request and its place to what is said: a text for every choice, a list of one for each, or a reply."""


class Called(BaseModel):
    """A tool call of a rule's reply."""

    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] = {}


class Rule(BaseModel):
    """When a rule answers, and what."""

    model_config = ConfigDict(extra="forbid")

    at: str | None = None
    says: str | None = None
    reply: str | None = None
    replies: list[str] = []
    calls: list[Called] = []
    finish: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    logprobs: dict[str, float] = {}
    seconds: float = 0.0

    @field_validator("at", "says")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return value


class Rules(BaseModel):
    """A file of rules."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    rules: list[Rule]


class DeterministicModel:
    """A Model with replies by `answer` or by `rules`; exactly one of the two."""

    def __init__(
        self,
        answer: Answer | None = None,
        *,
        rules: Rules | None = None,
        name: str = "deterministic",
        price: Price | None = None,
        seed: int | None = None,
    ):
        if (answer is None) == (rules is None):
            raise TypeError("give an answer function, or rules")
        self.name = name
        self.price = price
        self._answer = answer
        self._rules = rules.rules if rules else []
        self._seed = seed if seed is not None else rules.seed if rules else 0

    @classmethod
    def load(cls, path: Path | str, *, price: Price | None = None) -> DeterministicModel:
        """From a file of rules. Raises Refused, naming the file and the place in it, where it cannot be read."""
        return cls(rules=load_rules(path), name=f"deterministic:{path}", price=price)

    async def ask(self, request: Request, at: str = "") -> Reply:
        rule = self.rule(request, at)
        if rule is not None and rule.seconds:
            await asyncio.sleep(rule.seconds)
        return self.answer(request, at)

    async def close(self) -> None:
        """Nothing is open."""

    def answer(self, request: Request, at: str = "") -> Reply:
        """The reply. Raises Refused where no rule answers."""
        if self._answer is not None:
            return self._reply(request, self._answer(request, at), {})
        rule = self.rule(request, at)
        if rule is None:
            asked = _last(request)[:80]
            raise Refused(
                f'No rule of {self.name} answers "{at}", whose last message begins "{asked}": add one.'
            )
        said = [self._said(rule, request, at, i) for i in range(request.n)]
        return self._reply(request, said, rule.logprobs, rule.finish)

    def rule(self, request: Request, at: str) -> Rule | None:
        """The first rule that matches, None where none does."""
        last = _last(request)
        for rule in self._rules:
            if re.search(rule.at or "", at) and re.search(rule.says or "", last):
                return rule
        return None

    def _said(self, rule: Rule, request: Request, at: str, choice: int) -> Message:
        names = _names(rule, request, at)
        calls = tuple(
            ToolCall(f"call-{i}", call.name, _filled_in(json.dumps(call.arguments), names, quote=True))
            for i, call in enumerate(rule.calls, 1)
        )
        text = _filled_in(self._drawn(rule, request, at, choice), names)
        return Message("assistant", text, tool_calls=calls)

    def _drawn(self, rule: Rule, request: Request, at: str, choice: int) -> str:
        options = rule.replies or [rule.reply or ""]
        drawn = digest(json.dumps([self._seed, request.seed, at, choice, request.digests()]))
        return options[int(drawn[:8], 16) % len(options)]

    def _reply(self, request: Request, said: Said, logprobs: dict[str, float], finish: str = "stop") -> Reply:
        if isinstance(said, Reply):
            return said
        several = (
            list(said) if isinstance(said, Sequence) and not isinstance(said, str) else [said] * request.n
        )
        tokens = _logprobs(logprobs) if request.logprobs is not None else None
        choices = tuple(_choice(one, finish, tokens) for one in several)
        usage = Usage(
            prompt=sum(_tokens(message.content) for message in request.messages),
            completion=sum(_tokens(_written(choice.message)) for choice in choices),
        )
        lacks = request.logprobs is not None and tokens is None
        notes = ("Log-probabilities were asked for; the deterministic model gave none.",) if lacks else ()
        return Reply(choices, usage, cost(self.price, usage), served_by=self.name, notes=notes)


def load_rules(path: Path | str) -> Rules:
    """The rules of a TOML or JSON file. Raises Refused with file and place."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        data: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return Rules.model_validate(data)
    except OSError as error:
        raise Refused(f"The rules file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(f"The rules file {path} is wrong at {place or 'its top'}: {first['msg']}.") from error
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise Refused(f"The rules file {path} is no {kind}: {error}.") from error


def _names(rule: Rule, request: Request, at: str) -> dict[str, str]:
    """What `{{name}}` in a reply stands for."""
    names = {"at": at}
    for pattern, place in ((rule.at, at), (rule.says, _last(request))):
        if match := re.search(pattern or "", place):
            names |= {key: value or "" for key, value in match.groupdict().items()}
    return names


def _filled_in(text: str, names: dict[str, str], quote: bool = False) -> str:
    """`text` with its names. quote: it is JSON, and the names stand inside of its strings."""

    def value(found: re.Match[str]) -> str:
        said = names.get(found[1], found[0])
        return json.dumps(said)[1:-1] if quote else said

    return re.sub(r"\{\{(\w+)\}\}", value, text)


def _written(message: Message) -> str:
    return message.content + "".join(call.name + call.arguments for call in message.tool_calls)


def _last(request: Request) -> str:
    return request.messages[-1].content if request.messages else ""


def _choice(said: Any, finish: str, logprobs: tuple[TokenLogprob, ...] | None) -> Choice:
    if isinstance(said, Choice):
        return said
    message = said if isinstance(said, Message) else Message("assistant", str(said))
    return Choice(message, "tool_calls" if message.tool_calls else finish, logprobs)


def _logprobs(given: dict[str, float]) -> tuple[TokenLogprob, ...] | None:
    """The first token with its alternatives, likeliest first."""
    top = tuple(sorted(given.items(), key=lambda item: -item[1]))
    return (TokenLogprob(top[0][0], top[0][1], top),) if top else None


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)
