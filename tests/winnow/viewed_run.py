"""A store with a run that has all that pages show (turns, tests, evidence, choices, grades), hostile texts in it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent import Candidate, Ending, Run, Script
from environments.grading import Findings, Grade, patch_digest
from models.protocol import Choice, Message, Reply, Request, ToolCall, Usage, digest
from selection import UNFIXED, Evidence, Regression, Test, strategy
from store import Key, Part, Step, Store, open_store
from winnow.batch_issues import IssueEnding, IssueState, Stage, over, put_state
from winnow.grades import grade_to_json
from winnow.stored import evidence_to_json, ranking_to_json, to_json

RUN = "20261121-1000-viewed-0001"
OTHER = "20261121-1100-viewed-0002"
HOSTILE = (
    '<script>window.hacked = 1</script><img src=x onerror="window.hacked=1"><svg onload=window.hacked=1>'
    "</pre></textarea></style></script>\"'--><a href=javascript:window.hacked=1>{{ 7*7 }}"
)
SECRET = "sk-" + "abcdefgh12345678" * 2
TASKS = ("good/one-1", "missed-2", "nothing-3", HOSTILE[:60], "waiting-5")


def patch_of(line: str, path: str = "src/mod.py") -> str:
    return (
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,2 +1,3 @@ def mod():\n"
        f"-old = 0\n+new = 1  # {line}\n+# --- not a header\n done = True\n"
    )


def write(file: Path, run: str = RUN, *, otherwise: bool = False, running: bool = False) -> None:
    """Write a run of five issues. otherwise: the second attempt says something else; running: it is not over."""
    config = {
        "model": {"name": "toy-1"},
        "preset": "codemonkeys",
        "attempts": 3,
        "selection": {"strategy": "codemonkeys"},
        "budget": {"usd": 5.0},
    }
    with open_store(file) as store:
        store.create_run(run, config=json.dumps(config), kind="run", started=1763700000.0)
        for task in TASKS:
            text = f"Title of {task}\n\nIt fails. {HOSTILE}\n\nThe key is {SECRET}."
            store.put_task(run, task, body=json.dumps({"instance": {"id": task, "issue": text}}))
        with ThreadPoolExecutor(1) as beside:  # tests that drive a browser have a loop in their own thread
            beside.submit(asyncio.run, _issues(store, run, otherwise)).result()
        if not running:
            store.set_run(run, status="finished", ended=1763700100.0)


async def _issues(store: Store, run: str, otherwise: bool) -> None:
    await _issue(store, run, TASKS[0], ("right", "wrong", "right"), otherwise)
    await _issue(store, run, TASKS[1], ("wrong", "right", "wrong"), otherwise)
    await put_state(store, run, TASKS[2], over(IssueEnding.NOTHING, "every candidate is empty"))
    await store.put_trajectory(
        run,
        TASKS[2],
        "attempt-1",
        ending="step limit",
        is_result=True,
        body=to_json(Candidate("attempt-1", "")),
    )
    await _issue(store, run, TASKS[3], (HOSTILE, HOSTILE + "2", "wrong"), otherwise)


async def _issue(store: Store, run: str, task: str, lines: tuple[str, ...], otherwise: bool) -> None:
    candidates = [
        await attempt(store, run, task, number, line, otherwise and number == 2)
        for number, line in enumerate(lines, 1)
    ]
    tests = tuple(Test(f"test-{n}", c.test) for n, c in enumerate(candidates, 1) if c.test)
    cells = {(UNFIXED, test.id): Run(2, f"unfixed {HOSTILE}") for test in tests}
    for candidate, line in zip(candidates, lines, strict=True):
        for test in tests:
            good = line == "right" or (test.id == "test-1" and task == TASKS[1])
            cells[candidate.id, test.id] = Run(
                0 if good else 2, f"{task} {candidate.id} {test.id} says {HOSTILE}"
            )
    evidence = Evidence(
        tuple(candidates),
        tests,
        {candidate.id: True for candidate in candidates},
        cells,
        {
            c.id: Regression(("tests/test_a.py::test_b",) if n == 1 else (), 11, 12)
            for n, c in enumerate(candidates)
        },
    )
    ranking = strategy("codemonkeys")(evidence)
    await store.put_result(run, task, "evidence", "all", evidence_to_json(evidence))
    await store.put_result(run, task, "choice", "codemonkeys", ranking_to_json(ranking))
    for candidate, line in zip(candidates, lines, strict=True):
        await store.put_result(run, task, "grade", candidate.id, _grade(candidate, line == "right"))
    ending = IssueEnding.CHOSEN if ranking.chosen else IssueEnding.NOTHING
    state = over(ending, ranking.why, chosen=ranking.chosen or "", votes=2, tests=3)
    await put_state(store, run, task, state)


async def attempt(
    store: Store, run: str, task: str, number: int, line: str, otherwise: bool = False, turns: int = 3
) -> Candidate:
    """An attempt of some turns: a question, a reply with an edit and a tool call, a command with its output."""
    name = f"attempt-{number}"
    journal = store.journal(run, task)
    messages = [Message("system", f"Solve it. {HOSTILE}"), Message("user", f"The issue of {task}: {HOSTILE}")]
    clock = 1763700000.0 + number
    for turn in range(turns):
        words = f"Turn {turn} of {name} {'otherwise' if otherwise and turn else ''} {HOSTILE}\n\n"
        edit = (
            f"<<<<< EDIT src/mod.py\n===== FIND\nold = 0\n===== REPLACE\nnew = {turn}  # {line}\n>>>>> END\n"
        )
        call = ToolCall(
            "c1", "replace", json.dumps({"path": "src/mod.py", "find": "old", "replace": HOSTILE})
        )
        said = Message("assistant", words + edit, tool_calls=(call,) if turn == 1 else ())
        request = Request(tuple(messages), temperature=0.5)
        texts = [Part(label, m.content) for (label, _), m in zip(request.digests(), messages, strict=False)]
        reply = Reply((Choice(said),), Usage(1000 * (turn + 1), 200, 900 * turn), 0.25, 2.0)
        await journal.append(
            Step(Key(name, "editing", turn), "ask", request.digests(), reply.to_json(), 1000 * (turn + 1), 200,
                 900 * turn, 0.25, clock, 2.0),
            [*texts, Part("settings", request.settings())],
        )  # fmt: skip
        command = f"python3 test.py --turn {turn} '{HOSTILE}'"
        output = f"line one\n{HOSTILE}\nAPI key: {SECRET}\n" if turn else patch_of("as a diff")
        answer = {"exit_code": 0 if turn == turns - 1 else 2, "output": output, "ended": "exited"}
        await journal.append(
            Step(Key(name, f"sandbox/editing-{turn}", 0), "run", (("write a.py", digest("x")),
                 ("command", digest(command))), json.dumps(answer), started=clock + 2.0, seconds=1.5),
            [Part("write a.py", "write a.py"), Part("command", command)],
        )  # fmt: skip
        clock += 4.0
        messages += [
            said,
            Message("user", f"It ran.\n\n````\n{patch_of(line)}````\n\nOutput {turn}: {HOSTILE}"),
        ]
    candidate = Candidate(
        name,
        patch_of(line),
        Script("python3", f"#!/usr/bin/env python3\n# {HOSTILE}\n"),
        Run(2, ""),
        Ending.FINISHED,
    )
    await store.put_trajectory(
        run,
        task,
        name,
        ending="finished",
        is_result=True,
        detail=f"detail {HOSTILE}",
        body=to_json(candidate),
    )
    return candidate


def _grade(candidate: Candidate, right: bool) -> str:
    found = Findings("resolved" if right else "not resolved", right, exit_code=0, log="")
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return grade_to_json(
        Grade(**values, without_machinery=found, patch=patch_digest(candidate.patch), dataset="d")
    )


async def begin_issue(store: Store, run: str, task: str) -> None:
    """What a run writes when it turns to an issue."""
    await put_state(store, run, task, IssueState(Stage.ATTEMPTS))


async def end_issue(store: Store, run: str, task: str) -> None:
    await put_state(store, run, task, over(IssueEnding.CHOSEN, "because", chosen="attempt-1"))
