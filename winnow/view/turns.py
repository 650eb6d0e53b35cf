"""A trajectory as turns: a question to a model with what was new in it, its reply, and the commands that followed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store import Outlined, Reader

from .diffs import Diff, replacement
from .pieces import LONGEST, Piece, Shown, code, shown

ASKS = ("ask", "given")
"""Kinds of steps that are questions to a model; "given": paid for by another trajectory's step."""
_ROLE = re.compile(r"message \d+ \((\w+)\)")
_HEAD = 110
"""Characters of a turn's line while it is folded."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message that was new in a turn. digest: of its text in the store, "" of a reply."""

    role: str
    shown: Shown
    digest: str = ""
    chars: int = 0


@dataclass(frozen=True, slots=True)
class Called:
    """A tool that a reply calls, its arguments in pieces."""

    name: str
    pieces: tuple[Piece, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """Something done in a sandbox. what: "command", "read". ended: "exit 0", "time-out"; good: whether it went well.

    wrote: files that were written before it.
    """

    step: Outlined
    what: str
    text: str
    wrote: tuple[str, ...]
    output: Shown
    ended: str
    good: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice of a model's answer."""

    shown: Shown
    calls: tuple[Called, ...]
    finish: str


@dataclass(frozen=True, slots=True)
class Span:
    """A turn before anything of it is read. number: from 1, 0 for what comes before the first question."""

    number: int
    ask: Outlined | None
    steps: tuple[Outlined, ...]

    @property
    def sandbox_seconds(self) -> float:
        return sum(step.seconds for step in self.steps if step.kind == "run")


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as it is shown. head: its first words, for when it is folded. error: why the question has no reply.

    edits: whether it has a diff in it. decided: what was decided in it, as (name, value).
    """

    span: Span
    head: str
    new: tuple[Said, ...]
    replies: tuple[Reply, ...]
    error: str
    commands: tuple[Command, ...]
    decided: tuple[tuple[str, str], ...]
    edits: bool

    @property
    def cached(self) -> float | None:
        """Share of the prompt's tokens that a cache answered."""
        ask = self.span.ask
        return ask.cached_tokens / ask.prompt_tokens if ask and ask.prompt_tokens else None


def spans(steps: Sequence[Outlined]) -> list[Span]:
    """Steps in order of writing, cut into turns."""
    found: list[list[Outlined]] = [[]]
    for step in steps:
        if step.kind in ASKS:
            found.append([])
        found[-1].append(step)
    return [
        Span(number, some[0] if some[0].kind in ASKS else None, tuple(some))
        for number, some in enumerate(found)
        if some
    ]


def new_parts(steps: Sequence[Outlined]) -> dict[int, tuple[tuple[str, str], ...]]:
    """Of each question, by its step's number: the parts that no step before it had, without replies and settings.

    A reply comes back as a message of the next question, but its reader has seen it by then.
    """
    seen: set[str] = set()
    talked: set[str] = set()
    found = {}
    for step in steps:
        if step.kind not in ASKS:
            continue
        new = []
        for label, digest in step.parts:
            mine = label.endswith("(assistant)") and step.key.branch in talked
            if digest not in seen and label != "settings" and not mine:
                new.append((label, digest))
            seen.add(digest)
        talked.add(step.key.branch)
        found[step.number] = tuple(new)
    return found


def turns(
    reader: Reader,
    wanted: Sequence[Span],
    new: Mapping[int, Sequence[tuple[str, str]]],
    clean: Callable[[str], str] = str,
) -> list[Turn]:
    """Read the texts and answers of these turns, and of no others. clean: takes secrets out of a text."""
    steps = [step for span in wanted for step in span.steps]
    answers = reader.answers([step.number for step in steps])
    digests = {digest for step in steps for _, digest in new.get(step.number, ())}
    digests |= {digest for step in steps if step.kind == "run" for label, digest in step.parts[-1:]}
    digests |= {digest for step in steps if step.kind == "decide" for _, digest in step.parts}
    texts = {digest: clean(text) for digest, text in reader.texts_of(digests).items()}
    return [
        _turn(span, {n: _cleaned(answers.get(n, ""), clean) for n in _numbers(span)}, texts, new)
        for span in wanted
    ]


def _turn(
    span: Span,
    answers: Mapping[int, Any],
    texts: Mapping[str, str],
    new: Mapping[int, Sequence[tuple[str, str]]],
) -> Turn:
    replies: tuple[Reply, ...] = ()
    said: tuple[Said, ...] = ()
    error = ""
    if span.ask is not None:
        said = tuple(_said(label, digest, texts) for label, digest in new.get(span.ask.number, ()))
        answer = _object(answers[span.ask.number])
        error = f"{answer['error']}: {answer.get('message', '')}" if "error" in answer else ""
        replies = tuple(_reply(choice) for choice in _list(answer.get("choices")))
    commands = tuple(
        _command(step, answers, texts)
        for step in span.steps
        if step.kind == "run" and not step.key.branch.endswith("/(tree)")
    )
    decided = tuple(
        (step.key.branch.removeprefix("decide/"), json.dumps(answers[step.number]))
        for step in span.steps
        if step.kind == "decide"
    )
    pieces = [piece for reply in replies for piece in reply.shown.pieces]
    pieces += [piece for reply in replies for call in reply.calls for piece in call.pieces]
    pieces += [piece for each in said for piece in each.shown.pieces]
    return Turn(
        span,
        _head(replies, commands, error, decided),
        said,
        replies,
        error,
        commands,
        decided,
        any(piece.diff is not None for piece in pieces),
    )


def _said(label: str, digest: str, texts: Mapping[str, str]) -> Said:
    found = _ROLE.fullmatch(label)
    text = texts.get(digest, "")
    return Said(found[1] if found else label, shown(text), digest, len(text))


def _reply(choice: Any) -> Reply:
    message = choice.get("message") if isinstance(choice, dict) else None
    message = message if isinstance(message, dict) else {}
    calls = tuple(_called(call) for call in _list(message.get("tool_calls")) if isinstance(call, dict))
    return Reply(shown(str(message.get("content") or "")), calls, str(choice.get("finish", "")))


def _called(call: Mapping[str, Any]) -> Called:
    """A tool call; what edits is shown as the edit that it is."""
    name, text = str(call.get("name", "")), str(call.get("arguments") or "")
    given = _json(text)
    path = str(given.get("path", ""))
    if isinstance(given.get("find"), str) and isinstance(given.get("replace"), str):
        diff = replacement(path, given["find"].split("\n"), given["replace"].split("\n"))
        return Called(name, (Piece("diff", "", f"{name} {path}", Diff((diff,), diff.added, diff.removed)),))
    if isinstance(given.get("text"), str) and path:
        diff = replacement(path, [], given["text"].split("\n"))
        return Called(name, (Piece("diff", "", f"{name} {path}", Diff((diff,), diff.added, diff.removed)),))
    if set(given) == {"command"}:
        text = str(given["command"])
    return Called(name, (Piece("code", text[:LONGEST]),), max(0, len(text) - LONGEST))


def _command(step: Outlined, answers: Mapping[int, Any], texts: Mapping[str, str]) -> Command:
    answer = _object(answers[step.number])
    what, digest = step.parts[-1] if step.parts else ("command", "")
    wrote = tuple(label.removeprefix("write ") for label, _ in step.parts[:-1] if label.startswith("write "))
    if "killed" in answer:
        output, ended, good = str(answer["killed"]), "killed its sandbox", False
    elif "missing" in answer:
        output, ended, good = str(answer["missing"]), "not there", False
    elif "read" in answer:
        output, ended, good = str(answer["read"]), "read", True
    else:
        output, good = str(answer.get("output", "")), answer.get("exit_code") == 0
        ended = str(answer.get("ended", ""))
        ended = f"exit {answer.get('exit_code')}" if ended == "exited" else ended
        good = good and answer.get("ended") == "exited"
    return Command(step, what, texts.get(digest, ""), wrote, code(output), ended, good)


def _head(
    replies: Sequence[Reply],
    commands: Sequence[Command],
    error: str,
    decided: Iterable[tuple[str, str]],
) -> str:
    for reply in replies:
        for piece in reply.shown.pieces:
            words = piece.title if piece.kind == "diff" and piece.title else piece.text
            if first := _first(words):
                return first
        for call in reply.calls:
            text = next((piece.title or piece.text for piece in call.pieces), "")
            return _first(text if text.startswith(call.name) else f"{call.name} {text}")
    if error:
        return _first(error)
    for command in commands:
        return _first(command.text)
    return _first("; ".join(f"{name}: {value}" for name, value in decided))


def _first(text: str) -> str:
    line = next((line.strip() for line in text.split("\n") if line.strip()), "")
    return line if len(line) <= _HEAD else line[: _HEAD - 3] + "..."


def _numbers(span: Span) -> list[int]:
    return [step.number for step in span.steps]


def _cleaned(text: str, clean: Callable[[str], str]) -> Any:
    """What an answer's JSON says, every text in it without secrets, a file that was read as text; None for no JSON."""
    try:
        value = json.loads(text) if text else None
        if isinstance(value, dict) and set(value) == {"content"}:
            value = {"read": base64.b64decode(value["content"]).decode("utf-8", "replace")}
    except (ValueError, TypeError):
        return None
    return _each_text(value, clean)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each_text(each, change) for each in value]
    if isinstance(value, dict):
        return {name: _each_text(each, change) for name, each in value.items()}
    return value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _json(text: str) -> dict[str, Any]:
    try:
        return _object(json.loads(text)) if text else {}
    except ValueError:
        return {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
