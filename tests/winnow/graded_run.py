"""A store with a run in it whose attempts have ended, were chosen among and graded, written as Winnow writes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from agent import Candidate, Ending
from environments.grading import Findings, Grade, patch_digest
from selection import Ranked, Ranking
from store import Key, Part, Step, Store, open_store
from winnow.grades import grade_to_json
from winnow.stored import ranking_to_json, to_json

RUN = "20261121-0900-batch-0001"


def patch_of(number: int, path: str = "src/pkg/mod.py") -> str:
    """A diff like no other number's."""
    return (
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
        f"@@ -1,2 +1,2 @@\n-value = 0\n+value = {number}\n done = True\n"
    )


@dataclass(frozen=True)
class Try:
    """One attempt: its patch, whether it resolves (None: no grade yet), and how it ended."""

    patch: str = ""
    resolved: bool | None = None
    ending: Ending = Ending.FINISHED
    verdict: str = ""
    strict: bool | None = None
    published: bool | None = None
    flags: Sequence[str] = ()
    conversation: Sequence[str] = ()


@dataclass(frozen=True)
class Told:
    """One issue: its attempts by name and the chosen one's name ("" for none, None: nothing decided yet)."""

    tries: Mapping[str, Try]
    chosen: str | None = None
    body: Mapping[str, object] = field(default_factory=dict)


def write(
    file: Path, issues: Mapping[str, Told], *, kind: str = "run", config: Mapping | None = None
) -> None:
    """Write the run RUN with these issues into the store at `file`."""
    config = {
        "model": {"name": "toy-1"},
        "preset": "codemonkeys",
        "selection": {"strategy": "codemonkeys"},
    } | (config or {})
    with open_store(file) as store:
        store.create_run(RUN, config=json.dumps(config), kind=kind, started=1000.0)
        for task, told in issues.items():
            body = {"instance": {"id": task, "issue": f"Issue of {task}"}, **told.body}
            store.put_task(RUN, task, body=json.dumps(body))
        asyncio.run(_write(store, issues))
        store.set_run(RUN, status="finished", ended=2000.0)


async def _write(store: Store, issues: Mapping[str, Told]) -> None:
    work = []
    for task, told in issues.items():
        work += [_attempt(store, task, name, made) for name, made in told.tries.items()]
        if told.chosen is not None:
            order = tuple(Ranked(name, 1, True) for name in told.tries)
            ranking = Ranking(order, told.chosen or None, "because")
            work.append(store.put_result(RUN, task, "choice", "codemonkeys", ranking_to_json(ranking)))
        work.append(store.put_trajectory(RUN, task, "context", ending="finished", is_result=True, body="{}"))
    await asyncio.gather(*work)


async def _attempt(store: Store, task: str, name: str, made: Try) -> None:
    result = made.ending.is_result
    body = to_json(Candidate(name, made.patch, ending=made.ending)) if result else ""
    await store.put_trajectory(RUN, task, name, ending=made.ending, is_result=result, detail="", body=body)
    if made.resolved is not None or made.verdict:
        await store.put_result(RUN, task, "grade", name, grade_of(made))
    if made.published is not None:
        await store.put_result(RUN, task, "published", name, json.dumps({"resolved": made.published}))
    if made.flags:
        await store.put_result(RUN, task, "audit", name, json.dumps({"flags": list(made.flags)}))
    if made.conversation:
        await converse(store, task, name, "editing", made.conversation)


def grade_of(made: Try) -> str:
    """A grade as `winnow grade` writes it."""
    resolved = bool(made.resolved)
    strict = resolved if made.strict is None else made.strict
    tests = {"t.py::test_new": "passed" if resolved else "failed"}
    whole = Findings(
        made.verdict or ("resolved" if resolved else "not resolved"),
        resolved,
        fail_to_pass=tests,
        reason="" if resolved else "1 named test does not pass",
        exit_code=1,
        log="3 failed",
    )
    without = replace(whole, resolved=strict, verdict="resolved" if strict else "not resolved")
    found = {each.name: getattr(whole, each.name) for each in fields(whole)}
    return grade_to_json(
        Grade(**found, without_machinery=without, patch=patch_digest(made.patch), dataset="d")
    )


async def converse(
    store: Store, task: str, trajectory: str, branch: str, said: Sequence[str], first: int = 0
) -> None:
    """A journaled conversation: said[0] is the system's, then user's and model's words in turn. first: its index."""
    journal = store.journal(RUN, task)
    roles = ["system", *("user" if n % 2 else "assistant" for n in range(1, len(said)))]
    for turn, place in enumerate(range(2, len(said), 2), first):
        texts = [Part(f"message {n} ({roles[n - 1]})", text) for n, text in enumerate(said[:place], 1)]
        texts.append(Part("settings", '{"temperature": 0.5}'))
        parts = tuple((part.label, patch_digest(part.text)[:32]) for part in texts)
        reply = {"choices": [{"message": {"role": "assistant", "content": said[place]}, "finish": "stop"}]}
        step = Step(
            Key(trajectory, branch, turn),
            "ask",
            parts,
            json.dumps(reply),
            100,
            10,
            40,
            0.25,
            1000.0 + turn,
            1.0,
        )
        await journal.append(step, texts)
