"""Training samples: which are taken and why, in which form, once each, with a card; steps where execution says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace

import pytest
from graded_run import RUN, Told, Try, converse, patch_of, write

from agent import Candidate, Run, Script
from selection import UNFIXED, Evidence, Ranked, Ranking, Test
from store import Key, Part, Step, open_store
from winnow.export import Asked, export
from winnow.stored import evidence_to_json, ranking_to_json

SCRIPT = Script("python3", "#!/usr/bin/env python3\nimport sys\nsys.exit(2)\n")
WROTE = f"I look.\n\n<<<<< TEST\n{SCRIPT.text}>>>>> END\n"
DONE = "It shows the issue.\n\n<<<<< DONE\n"
TESTING = ("write tests", "begin", "no block", "again", WROTE, "it ran", DONE)
EDITING = ("edit", "begin", "<<<<< DONE")
PRESENT, SOLVED, BROKEN = Run(2, ""), Run(0, ""), Run(1, "")
RIGHT, WRONG = Try(patch_of(1), True, conversation=EDITING), Try(patch_of(2), False)


def exported(file, out, **more):
    with open_store(file) as store:
        return export(store, RUN, Asked("sft", out, **more))


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_with(file, tries, cells, *, asked=(), chosen="attempt-1", sure=None, testing=TESTING):
    """A run of one issue whose attempt-2 wrote SCRIPT. cells: its, by candidate. asked: (trajectory, branch, said)."""
    write(file, {"t-1": Told(tries, chosen)})
    with open_store(file) as store:
        candidates = tuple(Candidate(name, tried.patch) for name, tried in tries.items())
        matrix = {(name, "test-2"): run for name, run in cells.items()}
        evidence = Evidence(candidates=candidates, tests=(Test("test-2", SCRIPT),), applies={}, cells=matrix)

        async def more():
            await store.put_result(RUN, "t-1", "evidence", "all", evidence_to_json(evidence))
            await converse(store, "t-1", "attempt-2", "testing", testing)
            for trajectory, branch, said in asked:
                await store.put_trajectory(
                    RUN, "t-1", trajectory, ending="finished", is_result=True, body="{}"
                )
                await converse(store, "t-1", trajectory, branch, said)
            if sure is not None:
                order = tuple(Ranked(name, 1, True) for name in tries)
                ranking = Ranking(order, chosen, "because", confidence=sure)
                await store.put_result(RUN, "t-1", "choice", "codemonkeys", ranking_to_json(ranking))

        asyncio.run(more())
    return file


def test_the_right_test_of_a_wrong_attempt_is_a_sample_with_its_reason(tmp_path):
    tries = {"attempt-1": RIGHT, "attempt-2": WRONG}
    file = run_with(tmp_path / "a.db", tries, {UNFIXED: PRESENT, "attempt-1": SOLVED})
    exported(file, tmp_path / "a.jsonl")
    whole, step = rows_of(tmp_path / "a.jsonl")
    assert (whole["candidate"], whole["kind"], whole["reason"]) == (
        "attempt-1",
        "an attempt",
        "resolves the issue",
    )
    assert (step["candidate"], step["kind"], step["part"]) == ("attempt-2", "a step", "testing")
    assert step["reason"] == (
        "its test fails on the unfixed code and passes on attempt-1, which resolves the issue"
    )
    assert [message["content"] for message in step["messages"]] == list(TESTING)
    assert step["resolved"] is False and step["protocol"] == "blocks" and step["preset"] == "codemonkeys"
    exported(file, tmp_path / "b.jsonl", steps=False)
    assert rows_of(tmp_path / "b.jsonl") == [whole]


@pytest.mark.parametrize(
    "cells",
    [
        {UNFIXED: SOLVED, "attempt-1": SOLVED},  # it does not see the issue
        {UNFIXED: PRESENT, "attempt-1": PRESENT},  # it refuses the right patch
        {UNFIXED: PRESENT, "attempt-1": BROKEN},
        {UNFIXED: PRESENT, "attempt-2": SOLVED},  # nobody ran it on the right patch
        {UNFIXED: Run(2, "", "timeout"), "attempt-1": SOLVED},
    ],
)
def test_a_test_that_execution_does_not_show_to_be_right_is_none(tmp_path, cells):
    file = run_with(tmp_path / "a.db", {"attempt-1": RIGHT, "attempt-2": WRONG}, cells)
    exported(file, tmp_path / "a.jsonl")
    assert [row["kind"] for row in rows_of(tmp_path / "a.jsonl")] == ["an attempt"]


def test_a_test_that_was_not_approved_is_none_nor_one_where_nothing_is_right(tmp_path):
    right = {UNFIXED: PRESENT, "attempt-1": SOLVED}
    tries = {"attempt-1": RIGHT, "attempt-2": WRONG}
    file = run_with(tmp_path / "a.db", tries, right, testing=TESTING[:5])
    exported(file, tmp_path / "a.jsonl")
    assert [row["kind"] for row in rows_of(tmp_path / "a.jsonl")] == ["an attempt"]
    tries["attempt-1"] = replace(RIGHT, resolved=False)
    exported(run_with(tmp_path / "b.db", tries, right), tmp_path / "b.jsonl")
    assert rows_of(tmp_path / "b.jsonl") == []


def test_localisations_that_hold_the_right_files_are_samples(tmp_path):
    file = patch_of(1).split(" b/")[1].split("\n")[0]
    relevant = "<<<<< RELEVANT\nDefines it.\n>>>>> END"

    def listed(name, *paths):
        return "\n".join([f"<<<<< {name}", *paths, ">>>>> END"])

    asked = [
        ("context", f"relevance/{file}", ("s", "u1", relevant)),
        ("context", "relevance/other.py", ("s", "u2", relevant)),
        ("context", "ranking/0", ("s", "u3", listed("RANKING", "x.py", file))),
        ("context", "ranking/1", ("s", "u3", listed("RANKING", "a", "b", "c", file))),
        ("think-localise", "files", ("s", "u4", listed("FILES", f"`{file}`", "y.py"))),
        ("think-localise-2", "files", ("s", "u4", listed("FILES", "y.py"))),
    ]
    tries = {"attempt-1": RIGHT, "attempt-2": WRONG}
    store = run_with(tmp_path / "a.db", tries, {}, asked=asked)
    exported(store, tmp_path / "a.jsonl")
    steps = [
        (row["candidate"], row["part"]) for row in rows_of(tmp_path / "a.jsonl") if row["kind"] == "a step"
    ]
    assert sorted(steps) == [
        ("context", "ranking/0"),
        ("context", f"relevance/{file}"),
        ("think-localise", "files"),
    ]


def test_chosen_with_confidence(tmp_path):
    tries = {"attempt-1": RIGHT, "attempt-2": WRONG}
    file = run_with(tmp_path / "a.db", tries, {UNFIXED: PRESENT, "attempt-1": SOLVED}, sure=0.75)
    exported(file, tmp_path / "a.jsonl", only="chosen", least=0.75)
    whole, step = rows_of(tmp_path / "a.jsonl")
    assert (
        whole["reason"] == "was chosen by codemonkeys with a confidence of 0.75" and step["kind"] == "a step"
    )
    said = exported(file, tmp_path / "b.jsonl", only="chosen", least=0.76)
    assert rows_of(tmp_path / "b.jsonl") == []
    assert "left out: 1 attempts that were chosen with less confidence" in said


def test_a_folder_has_a_card_that_is_true(tmp_path):
    tries = {"attempt-1": RIGHT, "attempt-2": WRONG, "attempt-3": RIGHT}
    file = run_with(tmp_path / "a.db", tries, {UNFIXED: PRESENT, "attempt-1": SOLVED})
    out = tmp_path / "samples"
    said = exported(file, out)
    card, data = (out / "README.md").read_text(), out / "train.jsonl"
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "train.jsonl"]
    assert said[0].startswith("2 conversations (resolved)")
    assert f"| samples | {len(rows_of(data))}, from 1 issues |" in card
    assert hashlib.sha256(data.read_bytes()).hexdigest() in card and RUN in card
    assert "| a step | testing | blocks | 1 |" in card and "| an attempt | editing | blocks | 1 |" in card
    assert "strictly, without an audit flag; single steps of others" in card
    assert "- 1 conversations that are there already" in card  # attempts 1 and 3 said the same
    yaml = pytest.importorskip("yaml")
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "other" and front["configs"][0]["data_files"][0]["path"] == "train.jsonl"
    with pytest.raises(Exception, match="not empty"):
        exported(file, out)


def test_native_calls_are_openais_messages_with_their_tools(tmp_path):
    """As the journal has them: the request's text of a reply with calls is not what a chat template takes."""
    calls = [
        {"id": "", "name": "bash", "arguments": '{"command": "ls"}'},
        {"id": "b", "name": "submit", "arguments": "{}"},
    ]
    first = {"role": "assistant", "content": "I look.", "tool_calls": calls}
    said = "I look." + "".join(f"\n[tool call {call['name']}] {call['arguments']}" for call in calls)
    settings = json.dumps({"tools": [{"type": "function", "function": {"name": "bash"}}]})
    requests = [
        ([("system", "s"), ("user", "u")], first),
        ([("system", "s"), ("user", "u"), ("assistant", said), ("tool", "a.py"), ("tool", "Submitted.")],
         {"role": "assistant", "content": "[tool call bash] is what I wrote"}),
    ]  # fmt: skip
    file = tmp_path / "a.db"
    write(file, {"t-1": Told({"attempt-1": Try(patch_of(1), True)}, "attempt-1")}, config={"preset": "agent"})
    with open_store(file) as store:
        journal = store.journal(RUN, "t-1")

        async def steps():
            for number, (messages, reply) in enumerate(requests):
                texts = [Part(f"message {n} ({role})", text) for n, (role, text) in enumerate(messages, 1)]
                texts.append(Part("settings", settings))
                parts = tuple(
                    (part.label, hashlib.sha256(part.text.encode()).hexdigest()[:32]) for part in texts
                )
                answer = json.dumps({"choices": [{"message": reply}]})
                key = Key("attempt-1", "agent", number)
                await journal.append(Step(key, "ask", parts, answer, 1, 1, 0, 0.0, float(number), 0.1), texts)

        asyncio.run(steps())
    exported(file, tmp_path / "a.jsonl")
    (row,) = rows_of(tmp_path / "a.jsonl")
    asked, seen, submitted = row["messages"][2:5]
    assert asked["content"] == "I look." and [c["function"]["name"] for c in asked["tool_calls"]] == [
        "bash",
        "submit",
    ]
    assert asked["tool_calls"][0]["id"] == seen["tool_call_id"] != "" and submitted["tool_call_id"] == "b"
    assert seen["content"] == "a.py" and row["messages"][5]["content"] == "[tool call bash] is what I wrote"
    assert row["tools"] == json.loads(settings)["tools"]
    assert (row["protocol"], row["preset"]) == ("native calls", "agent")
