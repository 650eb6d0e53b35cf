"""What only depends on repository and environment is worked out once: seen in the journals of real runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import toy
import toy_batch
from toy_server import ToyServer
from winnow_home import Home

from store import open_store

pytestmark = pytest.mark.overlay

FEW = ("--attempts", "1", "-o", "selection.machine=off", "--sandbox", "overlay", "--price", "1,10")
UNFIXED = "sandbox/regression/unfixed-"


def unfixed_runs(home: Home, run: str) -> list[str]:
    """The branches of a run's steps in which the existing tests ran on the unfixed code, and of which task."""
    with open_store(home.store) as store:
        return sorted(
            {f"{task} {s.key.branch}" for task in store.task_names(run) for s in store.steps(run, task)
             if s.key.branch.startswith(UNFIXED) and not s.key.branch.endswith("(tree)")}
        )  # fmt: skip


def evidence(home: Home, run: str) -> dict:
    with open_store(home.store) as store:
        [task] = store.task_names(run)
        [row] = store.results(run, task, "evidence")
        return json.loads(row.body)


def solve(home: Home, server: ToyServer, checkout: Path, issue: str, *more: str) -> str:
    """The run's id."""
    before = set(toy_batch.runs(home.store)) if home.store.exists() else set()
    words = ["--model", "openai/toy", "--api-base", server.url, *FEW, *more]
    done = home.run("solve", str(checkout), "--issue", issue, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = set(toy_batch.runs(home.store)) - before
    return run


def test_a_second_issue_at_the_same_commit_runs_the_unfixed_suite_zero_times(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer() as server:
        first = solve(home, server, checkout, toy.ISSUE)
        assert len(unfixed_runs(home, first)) == 2
        second = solve(home, server, checkout, f"{toy.ISSUE}\nPlease.")
        assert unfixed_runs(home, second) == []
        known, again = evidence(home, first), evidence(home, second)
        assert known["existing"] == again["existing"] and len(again["existing"]["unfixed"]) == 3
        assert known["regressions"] == again["regressions"]
        assert (
            again["effort"]["existing tests"]["executions"] < known["effort"]["existing tests"]["executions"]
        )

        (checkout / "tests/test_names.py").write_text(f"{toy.TESTS}\n\ndef test_more():\n    pass\n")
        changed = solve(home, server, checkout, toy.ISSUE)
        assert len(unfixed_runs(home, changed)) == 2
        assert len(evidence(home, changed)["existing"]["unfixed"]) == 4

        # What a run was told stays in its journal, whatever becomes of the files.
        shutil.rmtree(home.folder / "groundwork")
        assert home.run("resume", second).returncode == 0
        assert unfixed_runs(home, second) == [] and evidence(home, second) == again


def test_two_issues_at_once_at_one_commit_have_it_done_by_one_of_them(home, tmp_path):
    file = toy_batch.make_dataset(tmp_path / "data", ["ground"])
    row = json.loads(file.read_text())
    rows = [
        {**row, "instance_id": f"toy__ground-{i}", "problem_statement": f"{toy.ISSUE}\n{i}"} for i in (1, 2)
    ]
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    with ToyServer() as server:
        words = [
            "--model",
            "openai/toy",
            "--api-base",
            server.url,
            "--recipe",
            str(file.parent / "recipe.toml"),
        ]
        done = home.run("run", str(file), "--issues", "2", *words, *FEW)
        assert done.returncode == 0, done.stdout + done.stderr
    [run] = toy_batch.runs(home.store)
    assert len(unfixed_runs(home, run)) == 2  # each of them twice would be four
