"""`winnow run` from end to end: several issues, bad ones too, stopped and gone on with, changed, forked, redone."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import toy_batch
from kills import interrupt, runs
from toy_server import ToyServer
from waiting import PATIENCE, wait_until

from store import open_store

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("batch")]

ATTEMPTS = 2


@pytest.fixture
def server():
    with ToyServer() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With the dataset of two issues, and the worlds that were built of it."""
    folder = tmp_path_factory.mktemp("batch")
    toy_batch.make_dataset(folder / "data", ["a", "b"])
    (folder / "built").mkdir()
    return folder


@pytest.fixture
def dataset(folder: Path, home) -> Path:
    """The dataset; worlds are built once for all tests."""
    home.folder.mkdir()
    (home.folder / "built").symlink_to(folder / "built")
    return folder / "data" / "issues.jsonl"


def words(server, dataset: Path, *more: str) -> list[str]:
    return [
        "run", str(dataset), "--model", "openai/toy", "--api-base", server.url, "--attempts", str(ATTEMPTS),
        "--recipe", str(dataset.parent / "recipe.toml"), "--sandbox", "overlay", "--price", "1,10",
        "-o", "limits.pause=0", "-o", "selection.regressions=false", *more,
    ]  # fmt: skip


def status(home, run: str = "") -> dict:
    done = home.run("status", *([run] if run else []), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def endings(home, run: str = "") -> dict[str, str]:
    return {name: issue["ending"] for name, issue in status(home, run)["issues"].items()}


def test_every_issue_comes_to_its_end_and_is_not_worked_on_again(home, server, dataset):
    done = home.run(*words(server, dataset))
    assert done.returncode == 0, done.stdout + done.stderr
    told = status(home)
    assert told["status"] == "finished"
    assert set(endings(home).values()) == {"patch chosen"} and len(told["issues"]) == 2
    assert all(issue["chosen"] == "attempt-1" for issue in told["issues"].values())
    assert "2 patch chosen" in done.stdout and "$" in done.stdout
    calls = len(server.steps)
    assert sum(issue["calls"] for issue in told["issues"].values()) == calls
    again = home.run("resume", told["run"])
    assert again.returncode == 0 and len(server.steps) == calls
    shown = home.run("status", told["run"]).stdout
    assert "toy__b-1" in shown and "attempt-1 chosen" in shown
    assert "2 of 2 issues" in home.run("status", "--watch").stdout


def test_a_bad_issue_is_a_row_that_says_why_and_resume_tries_it_again(home, server, dataset, tmp_path):
    rows = [json.loads(line) for line in dataset.read_text().splitlines()]
    gone = toy_batch.make_repository(tmp_path / "gone")
    commit = toy_batch.toy.git(gone, "rev-parse", "HEAD").strip()
    bad = {**rows[1], "instance_id": "toy__gone-1", "repo": str(gone), "base_commit": commit}
    hidden = gone.rename(gone.with_name("hidden"))
    file = tmp_path / "issues.jsonl"
    broken = {"instance_id": "toy__broken-1"}
    file.write_text("".join(json.dumps(row) + "\n" for row in (rows[0], bad, broken)))
    said = ["run", str(file), *words(server, dataset)[2:]]
    done = home.run(*said)
    assert done.returncode == 3 and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert endings(home) == {"toy__a-1": "patch chosen", "toy__gone-1": "build failed"}
    assert str(gone) in done.stdout and "left out" in done.stdout and "winnow resume" in done.stdout
    calls = len(server.steps)
    hidden.rename(gone)
    [run] = toy_batch.runs(home.store)
    again = home.run("resume", run)
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(endings(home).values()) == {"patch chosen"}
    assert len(server.steps) == calls * 2


def test_what_the_world_failed_has_further_turns_and_nothing_is_weighed_before(home, server, dataset):
    """Without patience every fault ends an attempt; the second turn goes on in the middle of it."""
    server.next(*[{"misbehave": "error", "status": 503}] * 4)
    done = home.run(*words(server, dataset, "--patience", "0"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tried again" in done.stdout
    assert len(server.steps) == 4 + sum(issue["calls"] for issue in status(home)["issues"].values())
    [run] = toy_batch.runs(home.store)
    with open_store(home.store) as store:
        for task in store.task_names(run):
            selections = [t for t in store.trajectories(run, task) if t.trajectory.startswith("selection")]
            assert len(selections) == 1


def test_a_world_that_stays_bad_is_exit_code_3_and_gone_on_with(home, dataset):
    with ToyServer() as server:
        words_ = words(server, dataset, "--patience", "0", "-o", "limits.rounds=2")
        server.next(*[{"misbehave": "error", "status": 503}] * 100)
        done = home.run(*words_)
        assert done.returncode == 3 and "Traceback" not in done.stderr
        assert set(endings(home).values()) == {"world failed"}
        server._queued.clear()
        [run] = toy_batch.runs(home.store)
        assert home.run("resume", run).returncode == 0
        assert set(endings(home).values()) == {"patch chosen"}


def test_a_wrong_key_stops_the_run_before_every_issue_meets_it(home, server, dataset):
    server.next(*[{"misbehave": "error", "status": 401}] * 100)
    done = home.run(*words(server, dataset))
    assert done.returncode == 2 and "key" in done.stderr and "Traceback" not in done.stderr
    assert len(server.steps) <= 2 * ATTEMPTS


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-o", "limits.isues=3"], "issues"),
        (["--filter", "nothing-like-this"], "is selected"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_makes_no_run(home, server, dataset, more, said):
    done = home.run(*words(server, dataset, *more))
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not home.store.exists() or not toy_batch.runs(home.store)


def test_selections_and_the_dataset_are_part_of_the_runs_configuration(home, server, dataset, tmp_path):
    (tmp_path / "study.toml").write_text("attempts = 1\n[selection]\nmachine = 'off'\n")
    done = home.run(
        "run", str(dataset), "--config", str(tmp_path / "study.toml"), "-o", "model.name=openai/toy",
        "--api-base", server.url, "--sandbox", "overlay", "--slice", ":1", "--filter", "toy__[bc]",
        "--recipe", str(dataset.parent / "recipe.toml"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = toy_batch.runs(home.store)
    with open_store(home.store) as store:
        kept = json.loads(store.run(run).config)
        assert store.task_names(run) == ["toy__b-1"]
        assert "patch" not in json.loads(store.task(run, "toy__b-1").body)["instance"]
    assert kept["attempts"] == 1 and kept["selection"]["machine"] == "off"
    assert kept["data"]["selection"] == {"slice": ":1", "filter": ["toy__[bc]"]}
    assert kept["data"]["dataset"] == str(dataset) and len(kept["data"]["digest"]) >= 32


# --- stopped ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [0, 12])
def test_ctrl_c_at_any_stage_keeps_what_was_in_flight(home, dataset, calls):
    """calls: how many have come by then; 0: the run is in the store, and no world is there yet."""
    with ToyServer() as server:
        server.hold(lambda steps: len(steps) >= calls)
        process = home.start(*words(server, dataset))
        wait_until(
            lambda: (server.held if calls else runs(home.store)) or process.poll() is not None,
            "the moment of Ctrl-C",
        )
        interrupt(process, server)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130 and "Traceback" not in err, err
        [run] = toy_batch.runs(home.store)
        assert status(home, run)["status"] == "interrupted"
        paid = len(server.steps)
        assert sum(issue["calls"] for issue in status(home, run)["issues"].values()) == paid
        assert home.run("resume", run).returncode == 0
        assert len(server.steps) == len(set(server.steps)) * 2


def test_a_second_process_on_a_batch_is_refused_and_a_third_may_look(home, dataset):
    with ToyServer() as server:
        server.hold()
        first = home.start(*words(server, dataset))
        wait_until(lambda: server.held or first.poll() is not None, "the first call")
        [run] = toy_batch.runs(home.store)
        for more in ([], ["--budget", "9", "--redo", "cost limit"]):
            second = home.run("resume", run, *more)
            assert second.returncode == 2 and str(first.pid) in second.stderr
        assert status(home, run)["status"] == "running"
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        server.go_on()
        assert home.run("resume", run).returncode == 0
        assert set(endings(home).values()) == {"patch chosen"}


# --- changed ------------------------------------------------------------------------------------------------------


def test_another_configuration_is_refused_by_key_and_made_a_fork_that_pays_only_what_is_new(
    home, server, dataset
):
    assert home.run(*words(server, dataset)).returncode == 0
    [run] = toy_batch.runs(home.store)
    calls = len(server.steps)
    refused = home.run("resume", run, "-o", "attempts=3")
    assert refused.returncode == 2 and "attempts is 2, not 3" in refused.stderr and "--fork" in refused.stderr
    same = home.run("resume", run, "-o", "attempts=2", "-o", "limits.issues=1", "--budget", "5")
    assert same.returncode == 0 and len(server.steps) == calls
    with open_store(home.store) as store:
        kept = json.loads(store.run(run).config)
        assert (kept["limits"]["issues"], kept["budget"]["usd"]) == (1, 5.0)
        before = [(s.key, s.answer) for s in store.steps(run)]
    forked = home.run("resume", run, "--fork", "-o", "attempts=3")
    assert forked.returncode == 0, forked.stdout + forked.stderr
    fork = toy_batch.runs(home.store)[1]
    new = server.steps[calls:]
    assert not [step for step in new if step.startswith(("attempt-1/", "attempt-2/", "context/"))]
    assert len([step for step in new if step.startswith("attempt-3/")]) == 2 * 5
    with open_store(home.store) as store:
        assert [(s.key, s.answer) for s in store.steps(run)] == before
        assert store.totals(fork).cost < store.totals(run).cost
        assert store.totals(fork).asks == 2 * 9 + len(new)
    assert status(home, fork)["issues"]["toy__a-1"]["attempts"] == {"finished": 3}


# --- budgets and redo ---------------------------------------------------------------------------------------------


def test_a_budget_for_the_run_stops_it_and_redo_goes_on_where_it_stopped(home, server, dataset):
    with_enough = home.run(*words(server, dataset))
    assert with_enough.returncode == 0
    enough = toy_batch.runs(home.store)[0]
    server.steps.clear()
    done = home.run(*words(server, dataset, "--budget", "0.014"))
    assert done.returncode == 0, done.stdout + done.stderr
    run = toy_batch.runs(home.store)[1]
    with open_store(home.store) as store:
        assert 0 < store.totals(run).cost <= 0.014 + 0.006 * 4  # calls in flight at most
    assert "cost limit" in done.stdout
    more = home.run("resume", run, "--redo", "cost limit", "--budget", "5")
    assert more.returncode == 0, more.stdout + more.stderr
    assert max(Counter(server.steps).values()) <= 2, "each of the two issues pays for a step once"
    one, other = toy_batch.outcome(home.store, enough), toy_batch.outcome(home.store, run)
    for task in one:
        assert (
            one[task]["results"]["choice", "codemonkeys"] == other[task]["results"]["choice", "codemonkeys"]
        )
        redone = [key for key in other[task]["steps"] if key.startswith("redone-")]
        asked = {key for key in other[task]["steps"] if key.startswith(("context", "attempt"))}
        assert asked == {key for key in one[task]["steps"] if key.startswith(("context", "attempt"))}
        assert all("error" in other[task]["steps"][key] for key in redone)


def test_a_budget_for_each_issue_holds_for_each(home, server, dataset):
    done = home.run(*words(server, dataset, "--budget-per-issue", "0.012"))
    assert done.returncode == 0, done.stdout + done.stderr
    issues = status(home)["issues"].values()
    assert all(0 < issue["cost_usd"] <= 0.012 + 0.006 for issue in issues)
    assert any("cost limit" in issue["attempts"] for issue in issues)


def test_redo_of_an_ending_makes_those_attempts_anew_and_keeps_the_old(home, server, dataset):
    assert home.run(*words(server, dataset, "-o", "attempt.editing_calls=2")).returncode == 0
    [run] = toy_batch.runs(home.store)
    before = status(home)["issues"]["toy__a-1"]
    assert before["attempts"] == {"step limit": 1, "finished": 1}
    wrong = home.run("resume", run, "--redo", "step limits")
    assert wrong.returncode == 2 and "'step limit'" in wrong.stderr
    server.steps.clear()
    done = home.run("resume", run, "--redo", "step limit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {step.split("/")[0] for step in server.steps if not step.startswith("selection")} == {"attempt-1"}
    after = status(home)["issues"]["toy__a-1"]
    assert after["attempts"] == before["attempts"] and after["cost_usd"] > before["cost_usd"]
    with open_store(home.store) as store:
        names = [t.trajectory for t in store.trajectories(run, "toy__a-1")]
    assert "redone-1/attempt-1" in names and "attempt-1" in names
