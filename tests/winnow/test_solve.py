"""`winnow solve` from end to end: a real checkout, a real server, real sandboxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy
from toy_server import ToyServer

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("solve")]


@pytest.fixture(scope="module")
def server():
    with ToyServer() as server:
        yield server


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return toy.make_repository(tmp_path / "repo")


def solve(home, server, checkout, *words: str, attempts: int = 4, sandbox: str = "overlay"):
    return home.run(
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--attempts", str(attempts), "--sandbox", sandbox, *words,
    )  # fmt: skip


def test_one_patch_with_its_evidence(home, server, checkout, tmp_path):
    (checkout / "notes.txt").write_text("not committed")
    before = {p: p.read_bytes() for p in checkout.rglob("*") if p.is_file()}
    out = tmp_path / "fix.patch"
    done = solve(home, server, checkout, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    votes = {c["id"]: c["votes"] for c in told["candidates"]}
    assert told["chosen"] in ("attempt-1", "attempt-3")
    assert votes == {"attempt-1": 2, "attempt-2": 1, "attempt-3": 2, "attempt-4": 0}
    assert told["patch"] == out.read_text() and toy.RIGHT.strip() in told["patch"]
    assert {p: p.read_bytes() for p in checkout.rglob("*") if p.is_file()} == before
    assert "attempt-2" in done.stderr and "Chosen" in done.stderr
    toy.git(checkout, "apply", "--check", str(out))


def test_apply_writes_into_the_checkout_and_refuses_a_file_that_changed(home, server, checkout):
    done = solve(home, server, checkout, "--apply", attempts=1)
    assert done.returncode == 0, done.stderr
    assert toy.RIGHT in (checkout / "names.py").read_text()
    shown = home.run("runs").stdout.split()
    run = next(word for word in shown if "-repo-" in word)
    again = home.run("resume", run, "--apply")
    assert again.returncode == 2 and "changed" in again.stderr and "Traceback" not in again.stderr
    assert (checkout / "names.py").read_text().count(toy.RIGHT) == 1


def test_none_worth_choosing_is_exit_code_1(home, server, checkout, monkeypatch):
    """Only attempt 2's half fix is made, and both tests of the issue are there to see through it."""
    monkeypatch.setattr(toy, "RIGHT", toy.LOUD)
    monkeypatch.setattr(toy, "HALF", toy.LOUD)
    done = solve(home, server, checkout, attempts=2)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "No patch was worth choosing" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "nobody"], "nobody"),
        (["--model", "openai/x", "--issue", "  "], "issue"),
        (["--model", "vllm/x", "--budget", "1"], "--price"),
        (["--model", "vllm/x", "--preset", "codemonkey"], "codemonkeys"),
        (["--model", "vllm/x", "--price", "cheap"], "price"),
        (["--model", "vllm/x", "--sandbox", "jail"], "jail"),
    ],
)
def test_a_users_error_is_one_sentence_and_exit_code_2(home, checkout, words, said):
    words = words if "--issue" in words else [*words, "--issue", "x"]
    done = home.run("solve", str(checkout), *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_path_that_is_no_repository(home, tmp_path):
    done = home.run(
        "solve", str(tmp_path / "nowhere"), "--issue", "x", "--model", "vllm/x", "--sandbox", "overlay"
    )
    assert done.returncode == 2 and "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_a_model_that_cannot_be_reached_is_exit_code_3(home, checkout):
    done = home.run(
        "solve", str(checkout), "--issue", "x", "--model", "openai/x", "--api-base", "http://127.0.0.1:9/v1",
        "--attempts", "1", "--sandbox", "overlay", "--patience", "1",
    )  # fmt: skip
    assert done.returncode == 3 and "Traceback" not in done.stderr


@pytest.mark.docker
def test_docker_comes_to_the_same_end(home, server, checkout):
    done = solve(home, server, checkout, "--json", sandbox="docker")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {c["id"]: c["votes"] for c in told["candidates"]} == {
        "attempt-1": 2, "attempt-2": 1, "attempt-3": 2, "attempt-4": 0,
    }  # fmt: skip


def test_the_budget_stops_the_run_and_what_there_is_is_selected(home, server, checkout):
    done = solve(home, server, checkout, "--budget", "0.006", "--price", "1,10", "--json", attempts=2)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert told["cost_usd"] <= 0.03
    assert any(c["ending"] == "cost limit" for c in told["candidates"])


def test_show_prints_the_run_and_every_step(home, server, checkout):
    solve(home, server, checkout, attempts=1)
    run = next(word for word in home.run("runs").stdout.split() if "-repo-" in word)
    shown = home.run("show", run[:16])
    assert shown.returncode == 0 and "attempt-1" in shown.stdout and "Chosen" in shown.stdout
    steps = home.run("show", run, "--steps", "attempt-1").stdout
    assert "message 1 (system)" in steps and "<<<<< DONE" in steps and "join_names" in steps
    unknown = home.run("show", "2999")
    assert unknown.returncode == 2 and "Traceback" not in unknown.stderr


def test_faults_of_the_world_are_nobodys_failure(home, checkout):
    """A rate limit, a cut connection, an error and half a reply, in the middle of attempts: the end is the same."""
    with ToyServer() as stormy:
        stormy.next(
            {"misbehave": "rate_limit", "retry_after": 0},
            {"misbehave": "cut"},
            {"misbehave": "error", "status": 503},
            {"misbehave": "truncated"},
            {"misbehave": "null_content"},
        )
        done = solve(home, stormy, checkout, "--json", attempts=3)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert {c["ending"] for c in told["candidates"]} == {"finished"}
        assert len(stormy.steps) == told["calls"] + 5
