"""A large store to look at: 500 issues x 10 attempts x 8 turns, with evidence, choices and grades.

    python -m bench.view_store FILE [--issues 500] [--attempts 10] [--turns 8] [--live SECONDS]

Nothing is run: the replies are the deterministic model's, what sandboxes would have said is made up from the same
seed, and both are written through the store's own journal. The same arguments give the same texts. With --live the
issues are written one after the other, as a run at work would, over that many seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path

from agent import Candidate, Ending, Run, Script
from environments.grading import Findings, Grade, patch_digest
from models.deterministic import DeterministicModel
from models.protocol import Message, Request, digest
from selection import UNFIXED, Evidence, Regression, Test, strategy, with_confidence
from store import Key, Part, Step, Store, open_store
from winnow.batch_issues import IssueEnding, IssueState, Stage, over, put_state
from winnow.grades import grade_to_json
from winnow.stored import evidence_to_json, ranking_to_json, to_json

RUN = "20261121-0900-view-bench"
AT_ONCE = 16
WORDS = (
    "parser cache index widget session buffer token handler stream schema router queue locale decimal column "
    "header socket filter signal record"
).split()
PRICE = 0.000002  # USD a token


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("file", type=Path)
    asked.add_argument("--issues", type=int, default=500)
    asked.add_argument("--attempts", type=int, default=10)
    asked.add_argument("--turns", type=int, default=8)
    asked.add_argument("--run", default=RUN)
    asked.add_argument("--live", type=float, default=0.0)
    given = asked.parse_args()
    began = time.monotonic()
    with open_store(given.file) as store:
        write_run(store, given.run, given.issues, given.attempts, given.turns, given.live)
        totals = store.totals(given.run)
    size = given.file.stat().st_size / 2**20
    print(
        f"{given.issues} issues, {given.issues * given.attempts} attempts, {totals.asks} calls, "
        f"{totals.runs} executions, {size:.0f} MB, {time.monotonic() - began:.0f} s"
    )


def write_run(store: Store, run: str, issues: int, attempts: int, turns: int, live: float = 0.0) -> None:
    """Write a run through the store's own doors. live: seconds over which its issues are spread, 0 for at once."""
    config = {
        "model": {"name": "deterministic:bench"},
        "preset": "codemonkeys",
        "attempts": attempts,
        "selection": {"strategy": "codemonkeys"},
        "budget": {"usd": 500.0},
        "data": {"dataset": "bench"},
    }
    store.create_run(run, config=json.dumps(config), kind="run", started=time.time())
    names = [name_of(number) for number in range(issues)]
    store.put_tasks(run, {name: json.dumps({"instance": instance_of(name)}) for name in names})
    with store.lease(run):
        asyncio.run(_issues(store, run, names, attempts, turns, live))
    store.set_run(run, status="finished", ended=time.time())


async def _issues(store: Store, run: str, names: list[str], attempts: int, turns: int, live: float) -> None:
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            await write_issue(store, run, name, attempts, turns)
            if live:
                await asyncio.sleep(live / len(names))

    await asyncio.gather(*(worker() for _ in range(1 if live else AT_ONCE)))


async def write_issue(store: Store, run: str, name: str, attempts: int, turns: int) -> None:
    """One issue with all that a run leaves of it."""
    chance = random.Random(name)
    hard = chance.random()
    began = time.time()
    await put_state(store, run, name, IssueState(Stage.ATTEMPTS))
    journal = store.journal(run, name)
    rights = [chance.random() > hard for _ in range(attempts)]
    candidates = await asyncio.gather(
        *(
            write_attempt(store, journal, run, name, number, turns, right, began)
            for number, right in enumerate(rights, 1)
        )
    )
    await put_state(store, run, name, IssueState(Stage.SELECTION))
    evidence = evidence_of(list(candidates), rights, chance)
    ranking = with_confidence(strategy("codemonkeys")(evidence), evidence)
    await store.put_result(run, name, "evidence", "all", evidence_to_json(evidence))
    await store.put_result(run, name, "choice", "codemonkeys", ranking_to_json(ranking))
    for candidate, right in zip(candidates, rights, strict=True):
        if candidate.patch:
            await store.put_result(run, name, "grade", candidate.id, grade_of(candidate, right))
    ending = IssueEnding.CHOSEN if ranking.chosen else IssueEnding.NOTHING
    votes = next((each.votes for each in ranking.order if each.candidate == ranking.chosen), 0)
    state = over(ending, ranking.why, chosen=ranking.chosen or "", votes=votes, tests=len(evidence.tests))
    await put_state(store, run, name, state)


async def write_attempt(
    store: Store, journal: object, run: str, task: str, number: int, turns: int, right: bool, began: float
) -> Candidate:
    """A conversation of `turns` replies, a command after each, and the candidate that it leaves."""
    name = f"attempt-{number}"
    chance = random.Random(f"{task} {name}")
    model = DeterministicModel(lambda request, at: reply_of(task, number, len(request.messages) // 2, right))
    messages = [Message("system", system_of(task)), Message("user", "Here is the test. Write your edit.")]
    clock, cached = began + chance.random(), 0
    for turn in range(turns):
        request = Request(tuple(messages))
        reply = model.answer(request, "editing")
        taken = 2 + 8 * chance.random()
        prompt, said = reply.usage.prompt, reply.usage.completion
        texts = [Part(label, m.content) for (label, _), m in zip(request.digests(), messages, strict=False)]
        texts.append(Part("settings", request.settings()))
        await journal.append(  # type: ignore[attr-defined]
            Step(
                Key(name, "editing", turn),
                "ask",
                request.digests(),
                reply.to_json(),
                prompt,
                said,
                cached,
                (prompt - 0.9 * cached + 4 * said) * PRICE,
                clock,
                taken,
            ),
            texts,
        )
        clock, cached = clock + taken, prompt
        taken = 0.3 + 2 * chance.random()
        good = right and turn > turns // 2
        output = output_of(task, turn, good)
        command = f"python3 winnow_test_{turn}.py"
        await journal.append(  # type: ignore[attr-defined]
            Step(
                Key(name, f"sandbox/editing-{turn}-edited", 0),
                "run",
                (("command", digest(command)),),
                json.dumps({"exit_code": 0 if good else 2, "output": output, "ended": "exited"}),
                started=clock,
                seconds=taken,
            ),
            [Part("command", command)],
        )
        clock += taken
        messages += [
            reply.choices[0].message,
            Message(
                "user",
                f"The edit was applied.\n\n````\n{patch_of(task, number, right)}````\n\n```\n{output}```\n",
            ),
        ]
    ending = Ending.FINISHED if chance.random() > 0.08 else Ending.STEP_LIMIT
    candidate = Candidate(
        name,
        patch_of(task, number, right),
        Script("python3", script_of(task, number)),
        Run(2, output_of(task, 0, False)),
        ending,
        "" if ending is Ending.FINISHED else "12 calls were made",
        turns,
    )
    await store.put_trajectory(
        run, task, name, ending=ending, is_result=True, detail=candidate.detail, body=to_json(candidate)
    )
    return candidate


def evidence_of(candidates: list[Candidate], rights: list[bool], chance: random.Random) -> Evidence:
    tests = tuple(Test(f"test-{c.id.removeprefix('attempt-')}", c.test) for c in candidates if c.test)
    cells = {(UNFIXED, test.id): Run(2, output_of(test.id, 0, False)) for test in tests}
    for candidate, right in zip(candidates, rights, strict=True):
        for test in tests:
            solved = right if chance.random() < 0.7 else not right
            code = 0 if solved else 2 if chance.random() < 0.95 else 1
            cells[candidate.id, test.id] = Run(code, output_of(test.id, 1, solved))
    regressions = {
        c.id: Regression(
            ("tests/test_core.py::test_kept",) if not right and chance.random() < 0.4 else (), 411, 412
        )
        for c, right in zip(candidates, rights, strict=True)
    }
    return Evidence(
        tuple(candidates),
        tests,
        {candidate.id: True for candidate in candidates},
        cells,
        regressions,
    )


def grade_of(candidate: Candidate, right: bool) -> str:
    verdict = "resolved" if right else "not resolved"
    found = Findings(
        verdict,
        right,
        fail_to_pass={"tests/test_core.py::test_issue": "passed" if right else "failed"},
        reason="" if right else "1 named test does not pass",
        exit_code=0 if right else 1,
        log="412 passed" if right else "1 failed, 411 passed",
    )
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    grade = Grade(**values, without_machinery=found, patch=patch_digest(candidate.patch), dataset="bench")
    return grade_to_json(grade)


def name_of(number: int) -> str:
    return f"{WORDS[number % len(WORDS)]}__{WORDS[(number * 7 + 3) % len(WORDS)]}-{1000 + number}"


def instance_of(name: str) -> dict[str, str]:
    first, second = name.split("-")[0].split("__")
    text = (
        f"{first.title()} forgets its {second} when it is empty\n\n"
        f"Since the last release `{first}.{second}()` gives `None` where an empty {second} was set before.\n\n"
        f"```python\nfrom app import {first}\n{first}.{second}('')\n```\n\n"
        f"I expected the empty {second}, I get `None`, and every caller breaks.\n" + _prose(name, 8)
    )
    return {"id": name, "issue": text, "repo": f"bench/{first}", "base_commit": "0" * 40}


def system_of(task: str) -> str:
    return f"Solve this issue.\n\n{instance_of(task)['issue']}\n\n# Files\n\n" + _code(task, 140)


def reply_of(task: str, number: int, turn: int, right: bool) -> str:
    first = task.split("__")[0]
    value = (
        f'"" if value is None else value  # {number}.{turn}' if right else f"value or None  # {number}.{turn}"
    )
    return (
        _prose(f"{task}{number}{turn}", 3)
        + f"\n\n<<<<< EDIT src/{first}.py\n===== FIND\n    return value\n===== REPLACE\n    return {value}\n>>>>> END\n"
    )


def patch_of(task: str, number: int, right: bool) -> str:
    first = task.split("__")[0]
    value = '"" if value is None else value' if right else f"value or DEFAULTS[{number % 4}]"
    return (
        f"diff --git a/src/{first}.py b/src/{first}.py\n--- a/src/{first}.py\n+++ b/src/{first}.py\n"
        f"@@ -10,7 +10,8 @@ def get(self, value):\n     self.count += 1\n     # what was set\n     log(value)\n"
        f"-    return value\n+    # an empty one is one too\n+    return {value}\n \n \n def other(self):\n"
    )


def script_of(task: str, number: int) -> str:
    return (
        f"#!/usr/bin/env python3\nimport sys\n# {task}, {number}\n"
        + _code(f"{task}{number}", 20)
        + "sys.exit(2)\n"
    )


def output_of(seed: str, turn: int, good: bool) -> str:
    lines = [f"case {n}: {'as expected' if good or n % 3 else 'saw None'}" for n in range(12 + turn)]
    return "\n".join([f"checking {seed}", *lines, "done" if good else "the issue is present"]) + "\n"


def _prose(seed: str, sentences: int) -> str:
    chance = random.Random(seed)
    return " ".join(
        f"The {chance.choice(WORDS)} of the {chance.choice(WORDS)} is read before the {chance.choice(WORDS)} is set."
        for _ in range(sentences)
    )


def _code(seed: str, lines: int) -> str:
    chance = random.Random(seed)
    return "".join(
        f"    {chance.choice(WORDS)}_{n} = {chance.choice(WORDS)}({n}, {chance.choice(WORDS)}=True)\n"
        for n in range(lines)
    )


if __name__ == "__main__":
    main()
