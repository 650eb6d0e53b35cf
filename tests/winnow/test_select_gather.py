"""`winnow select --gather` on a real run: what is missing is gathered, what is known is neither asked nor run again."""

from __future__ import annotations

import json
import sqlite3

import pytest
import toy
from toy_server import ToyServer

from store import open_store
from winnow.stored import evidence_from_json

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
