"""The audit of a run's candidates, from their journals: results of kind "audit", beside the grades."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from agent import ReplyError, read_blocks
from store import Step, Store

from .audit import Deeds, Found, audit

KIND = "audit"


async def audit_candidate(
    store: Store, run: str, task: str, candidate: str, patch: str, project: str
) -> tuple[Found, ...]:
    """Read what a candidate's trajectory did and keep what was found. project: the repository's name."""
    found = audit(deeds_of(store, run, task, candidate, patch, project))
    flags = sorted({each.flag for each in found})
    body = json.dumps({"flags": flags, "found": [asdict(each) for each in found]})
    await store.put_result(run, task, KIND, candidate, body)
    return found


def deeds_of(store: Store, run: str, task: str, candidate: str, patch: str, project: str) -> Deeds:
    """An imported candidate has no journal, only its patch."""
    commands: list[str] = []
    scripts: list[str] = []
    for step in store.steps(run, task, candidate):
        if step.kind == "run":
            commands += [part.text for part in store.texts(step) if part.label == "command"]
        elif step.kind in ("ask", "given"):
            scripts += _scripts(step)
    return Deeds(tuple(dict.fromkeys(commands)), tuple(dict.fromkeys(scripts)), patch, (project,))


def _scripts(step: Step) -> Iterator[str]:
    """The programs in a model's replies; prose about a command is no deed."""
    for choice in json.loads(step.answer).get("choices", ()):
        try:
            blocks = read_blocks((choice.get("message") or {}).get("content") or "", only=("TEST",))
        except ReplyError:
            continue
        for block in blocks:
            yield "\n".join(block.lines)
