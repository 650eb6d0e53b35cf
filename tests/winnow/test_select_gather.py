"""`winnow select --gather` on a real run: what is missing is gathered, what is known is neither asked nor run again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace

import pytest
import toy
from toy_server import ToyServer

from selection import Regression
from store import open_store
from winnow.stored import evidence_from_json, evidence_to_json

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("solve")]


def evidence_of(home, run):
    with open_store(home.store) as store:
        (task,) = store.task_names(run)
        rows = store.results(run, task, "evidence")
        return evidence_from_json(rows[-1].body) if rows else None


def steps(home) -> tuple[int, int]:
    with sqlite3.connect(home.store) as database:
        count = "select count(*) from steps where kind = ?"
        return tuple(database.execute(count, (kind,)).fetchone()[0] for kind in ("ask", "run"))


def test_what_is_missing_is_gathered_and_the_rest_is_not(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer() as server:
        solved = home.run(
            "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
            "--attempts", "3", "--sandbox", "overlay", "-o", "selection.machine=off", "--json",
        )  # fmt: skip
    assert solved.returncode == 0, solved.stderr
    run = json.loads(solved.stdout)["run"]
    whole, before = evidence_of(home, run), steps(home)

    again = home.run("select", run, "--strategy", "votes", "--gather", "--sandbox", "overlay", "--json")
    assert again.returncode == 0, again.stderr
    assert steps(home) == before  # nobody answers any more, and nothing was run
    assert evidence_of(home, run) == whole
    assert json.loads(again.stdout)[0]["chosen"] == json.loads(solved.stdout)["chosen"]

    with sqlite3.connect(home.store) as database:
        database.execute("delete from results where kind = 'evidence'")
    bare = home.run("select", run, "--strategy", "votes")
    assert bare.returncode == 1 and "--gather finds it out" in bare.stdout
    fresh = home.run("select", run, "--strategy", "votes", "--gather", "--sandbox", "overlay", "--json")
    assert fresh.returncode == 0, fresh.stderr
    found = evidence_of(home, run)
    assert (found.cells, found.regressions, found.facts) == (whole.cells, whole.regressions, whole.facts)
    asked, ran = steps(home)
    assert asked == before[0] and ran > before[1]


def test_an_error_that_was_stored_is_tried_again_when_asked_and_each_time(home, tmp_path):
    """Its own journal must not answer the second time what it said the first time."""
    checkout = toy.make_repository(tmp_path / "again")
    with ToyServer() as server:
        solved = home.run(
            "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
            "--attempts", "1", "--sandbox", "overlay", "-o", "selection.machine=off", "--json",
        )  # fmt: skip
    assert solved.returncode == 0, solved.stderr
    run = json.loads(solved.stdout)["run"]
    whole = evidence_of(home, run)
    assert all(found.known for found in whole.regressions.values()) and whole.regressions
    error = Regression(error="the test command did not end within 1 seconds on the unfixed code")
    stored = replace(whole, regressions=dict.fromkeys(whole.regressions, error), existing=None)
    with open_store(home.store) as store:
        (task,) = store.task_names(run)
        asyncio.run(store.put_result(run, task, "evidence", "all", evidence_to_json(stored)))
    words = ["select", run, "--strategy", "regression", "--gather", "--sandbox", "overlay", "--json"]

    assert home.run(*words).returncode == 0
    assert evidence_of(home, run).regressions == stored.regressions
    before = steps(home)[1]
    for _ in range(2):
        done = home.run(*words, "--again", "existing-tests")
        assert done.returncode == 0, done.stderr
        found = evidence_of(home, run)
        assert (found.regressions, found.existing) == (whole.regressions, whole.existing)
        assert (found.cells, found.facts) == (whole.cells, whole.facts)
        assert steps(home)[1] > before
        before = steps(home)[1]


def test_what_cannot_be_gathered_again_is_said(home):
    for words, said in (
        (("--again", "judge"), "say --gather too"),
        (("--gather", "--again", "tests"), "there is no 'tests' to gather"),
    ):
        done = home.run("select", "nowhere", *words)
        assert done.returncode == 2 and said in " ".join(done.stderr.split()), done.stderr
