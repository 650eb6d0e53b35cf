"""A trajectory's conversations with the model, read from the journal as chat messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from store import Step, Store

_ROLE = re.compile(r"message \d+ \((\w+)\)")
"""Labels of a request's parts (models.Request.digests)."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation in whole: each request is the one before it, its reply, and what was said then.

    branch: the trajectory's part that held it ("testing", "editing"). messages: {"role": ..., "content": ...}, the last
    one the model's. said: what the model said in that branch until then, as its replies have it. settings: of the last
    request, as JSON.
    """

    trajectory: str
    branch: str
    messages: tuple[dict[str, str], ...]
    said: tuple[dict[str, Any], ...] = ()
    settings: str = "{}"


def conversations(store: Store, run: str, task: str, trajectory: str) -> Iterator[Conversation]:
    """A trajectory's conversations, in the order in which they ended. A question without an answer is left out."""
    open_: dict[str, Step] = {}
    said: dict[str, list[dict[str, Any]]] = {}
    for step in store.steps(run, task, trajectory):
        if step.kind not in ("ask", "given") or step.answer.startswith('{"error"'):
            continue
        before = open_.get(step.key.branch)
        if before is not None and not _goes_on(before, step):
            yield from _read(store, before, said[step.key.branch])
        open_[step.key.branch] = step
        said.setdefault(step.key.branch, []).append(_message(json.loads(step.answer)))
    for branch, step in open_.items():
        yield from _read(store, step, said[branch])


def _goes_on(before: Step, step: Step) -> bool:
    """Whether a request begins with all that the one before it said."""
    old, new = _said(before), _said(step)
    return len(new) > len(old) and new[: len(old)] == old


def _said(step: Step) -> tuple[tuple[str, str], ...]:
    return tuple(part for part in step.parts if part[0] != "settings")


def _read(store: Store, step: Step, said: list[dict[str, Any]]) -> Iterator[Conversation]:
    parts = list(store.texts(step))
    messages = [
        {"role": match[1], "content": part.text} for part in parts if (match := _ROLE.fullmatch(part.label))
    ]
    if reply := flattened(_message(json.loads(step.answer))):
        settings = next((part.text for part in parts if part.label == "settings"), "{}")
        messages.append({"role": "assistant", "content": reply})
        yield Conversation(step.key.trajectory, step.key.branch, tuple(messages), tuple(said), settings)


def _message(answer: Any) -> dict[str, Any]:
    """What the first choice says; empty where there is none."""
    try:
        return answer["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return {}


def flattened(message: dict[str, Any]) -> str:
    """A reply in words, tool calls written as the journal writes them in requests."""
    calls = "".join(f"\n[tool call {c['name']}] {c['arguments']}" for c in message.get("tool_calls") or ())
    return (message.get("content") or "") + calls
