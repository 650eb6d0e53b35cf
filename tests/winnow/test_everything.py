"""Every kind of evidence from end to end: `--preset everything`, killed in the selection and resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import toy
from kills import Kills
from toy_server import ToyServer
from winnow_home import Home

from store import open_store
from winnow.stored import evidence_from_json

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("everything")]

CASES = "\n".join(
    ["#!/usr/bin/env python3", "from names import join_names", "for i in range(10):"]
    + ['    seen = join_names(["a" * i, "b", "c"])', '    outcome = "Other issues"']
    + ['    if seen == "a" * i + ", b and c":', '        outcome = "Issue resolved"']
    + ['    elif seen == "a" * i + ", b":', '        outcome = "Issue reproduced"']
    + ['    print(f"[case-{i}] {outcome}")', ""]
)


def reply(step: str, messages: list[dict]) -> str:
    """As the toy's, and what the other kinds of evidence ask for."""
    kind, system = step.split("/")[1], messages[0]["content"]
    if kind == "reproduction":
        return f"<<<<< TEST\n{CASES}>>>>> END"
    if kind == "execution-free":
        return "YES" if toy.RIGHT in system else "NO"
    if kind == "summary":
        return "<<<<< SUMMARY\n===== HYPOTHESIS\na\n===== PROGRESS\nb\n===== FAILURES\nc\n===== PATCH\nd\n>>>>> END"
    if kind == "match":
        first = system.split("\n# Candidate A", 1)[1].split("\n# Candidate B", 1)[0]
        return f"<<<<< WINNER\n{'A' if toy.RIGHT in first else 'B'}\nIt joins two names as well.\n>>>>> END"
    if kind == "distinguishing":
        return "They are one.\n\n<<<<< NO DIFFERENCE"
    return toy.reply(step, messages)


def words(server: ToyServer, checkout: Path) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--attempts", "2", "--preset", "everything", "--sandbox", "overlay", "--price", "1,10",
    ]  # fmt: skip


def weighed(home: Home) -> tuple[str, dict[str, str], str]:
    """(the run, its results, the evidence as text)."""
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = store.task_names(run)
        results = {(row.kind, row.name): row.body for row in store.results(run, task)}
        return run, results, results["evidence", "all"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, Home, set[str]]:
    """(the checkout, its home, what was asked for) of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("everything")
    checkout, home = toy.make_repository(folder / "repo"), Home(folder / "home")
    with ToyServer(reply=reply) as server:
        done = home.run(*words(server, checkout))
        assert done.returncode == 0, done.stderr
        return checkout, home, set(server.steps)


def test_every_kind_is_there_and_the_right_patch_is_chosen(undisturbed):
    _, home, _ = undisturbed
    run, results, text = weighed(home)
    found = evidence_from_json(text)
    assert toy.RIGHT.strip() in next(
        c.patch for c in found.candidates if c.id == json.loads(results["choice", "winnow"])["chosen"]
    )
    assert len(found.reproductions) == 2 and found.reproductions[0].runs["attempt-1"].count("resolved") == 10
    assert {name: word.yes for name, word in found.judgements.items()} == {
        "attempt-1": 1.0,
        "attempt-2": 0.0,
    }
    assert found.repeats and found.summaries and found.matches and found.machine and found.existing.unfixed
    assert found.signals["attempt-1"].steps == 5 and found.effort["judge"].cost > 0
    assert "trajectories" not in found.gaps


@pytest.mark.parametrize("at", os.environ.get("WINNOW_KILLED_AT", "execution-free").split())
def test_killed_in_the_middle_it_goes_on_and_comes_to_the_same_evidence(undisturbed, tmp_path, at):
    checkout, whole, asked = undisturbed
    home = Home(tmp_path / "home")
    with ToyServer(reply=reply) as server:
        kills = Kills(home, server)
        kills.at(words(server, checkout), lambda steps: any(step.split("/")[1] == at for step in steps))
        with open_store(home.store) as store:
            [run] = [row.run for row in store.runs()]
        done = home.run("resume", run)
        assert done.returncode == 0, done.stderr
        kills.paid_once()
        assert set(server.steps) == asked
    for kind in (("evidence", "all"), ("choice", "winnow")):
        assert weighed(home)[1][kind] == weighed(whole)[1][kind]
