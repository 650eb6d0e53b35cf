"""Presets that ask for patches directly, from the command to a choice: what a server sees, and what is counted."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import toy
from direct_server import DirectServer, edit
from winnow_home import Home

from store import open_store

pytestmark = pytest.mark.overlay

QUICK = ("-o", "selection.reproduction_files=0", "-o", "selection.regressions=false")


def solve(home: Home, tmp_path, server, *words: str) -> str:
    """Run the command on the toy; what it printed."""
    checkout = tmp_path / "repo"
    if not checkout.exists():
        toy.make_repository(checkout)
    done = home.run(
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--sandbox", "overlay", "--price", "1,10", "--preset", "monkeys", *QUICK, *words,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(home: Home):
    """(the run, steps, bodies of the attempts by name, totals) of the only run."""
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = [row.task for row in store.tasks(run)]
        bodies = {t.trajectory: json.loads(t.body) for t in store.trajectories(run, task) if t.body}
        attempts = {name: body for name, body in bodies.items() if name.startswith("attempt-")}
        return run, list(store.steps(run)), attempts, store.totals(run)


def sampled(step, choice, messages):
    """Every fourth sample is right, the next half right, the third of each four writes no edit before it is told."""
    first = int(re.search(r"patches-(\d+)", step)[1]) if "think-patches" in step else 0
    number = first + choice if first else int(re.search(r"attempt-(\d+)", step)[1])
    if number % 4 == 3 and len(messages) == 2:
        return "I would change names.py."
    return edit((toy.HALF, toy.RIGHT, toy.LOUD, f"{toy.RIGHT}  # {number}")[number % 4])


def test_samples_share_their_prefix_and_their_requests(home, tmp_path):
    """Byte for byte the same beginning; the first request is answered before any other is asked; four in a request."""
    with DirectServer(sampled, seconds=0.05, cached=40) as server:
        said = solve(home, tmp_path, server, "--attempts", "11", "-o", "patches.choices=4")
    asked = [body for body in server.requests if "/patch/" in body["step"]]
    assert sorted(body.get("n") or 1 for body in asked) == [1] * 3 + [3, 4, 4]
    prefixes = {json.dumps(body["messages"][:2], ensure_ascii=False).encode() for body in asked}
    assert len(prefixes) == 1 and toy.OLD.encode() in prefixes.pop().replace(b"\\", b"")
    log = [(what, step) for what, step in server.log if "/patch/" in step]
    assert (
        log[0][0] == "asked" and log[1] == ("answered", log[0][1]) and log[0][1].startswith("think-patches-")
    )

    run, steps, attempts, totals = read(home)
    assert len(attempts) == 11 and all(body["patch"] for body in attempts.values())
    assert attempts["attempt-3"]["calls"] == 2 and attempts["attempt-4"]["calls"] == 1
    kinds = Counter(step.kind for step in steps if step.key.branch == "patch")
    assert kinds == {"ask": 6, "given": 11}
    assert all(not step.prompt_tokens and step.cost == 0.0 for step in steps if step.kind == "given")
    assert totals.asks == len(server.steps) and totals.cached_tokens == 40 * len(server.steps)
    assert "Chosen: attempt-" in said and f"+{toy.RIGHT}" in said

    report = home.run("report", run)
    share = totals.cached_tokens / totals.prompt_tokens
    assert report.returncode == 0 and f"{share:.1%} from a cache" in report.stdout, (
        report.stderr + report.stdout
    )


def test_a_server_with_one_choice_a_call_gives_the_same_candidates(home, tmp_path):
    with DirectServer(lambda step, choice, messages: edit(toy.RIGHT), most=1) as server:
        solve(home, tmp_path, server, "--attempts", "4")
    _, _, attempts, totals = read(home)
    assert len(attempts) == 4 and len({body["patch"] for body in attempts.values()}) == 1
    assert sum("/patch/" in step for step in server.steps) == 4 and totals.asks == 1


def test_temperatures_are_by_sample(home, tmp_path):
    words = ("--attempts", "7", "-o", "patches.temperatures=[0.0,0.8,0.8]", "-o", "patches.choices=3")
    with DirectServer(lambda step, choice, messages: edit(toy.RIGHT)) as server:
        solve(home, tmp_path, server, *words)
    asked = [body for body in server.requests if "/patch/" in body["step"]]
    assert Counter((body["temperature"], body.get("n") or 1) for body in asked) == {
        (0.0, 3): 1,
        (0.8, 3): 1,
        (0.8, 1): 1,
    }


def test_a_failed_request_is_the_worlds_fault_and_is_asked_again(home, tmp_path):
    """Of two requests one is refused until patience ends: its samples are retried by resume, the others are not."""
    refused = {"misbehave": "error", "status": 503}

    def failing(step, choice, messages):
        return edit(toy.RIGHT)

    class Server(DirectServer):
        def said(self, body):
            if self.broken and body["step"].startswith("think-patches-3/"):
                return refused
            return super().said(body)

    words = (
        "--attempts",
        "4",
        "-o",
        "patches.choices=2",
        "-o",
        "model.patience=0.2",
        "-o",
        "limits.rounds=1",
    )
    toy.make_repository(tmp_path / "repo")
    with Server(failing) as server:
        server.broken = True
        done = home.run(
            "solve", str(tmp_path / "repo"), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
            "--sandbox", "overlay", "--price", "1,10", "--preset", "monkeys", *QUICK, *words,
        )  # fmt: skip
        with open_store(home.store) as store:
            [run] = [row.run for row in store.runs()]
            endings = {
                t.trajectory: t.is_result for t in store.endings(run) if t.trajectory.startswith("attempt")
            }
        assert endings == {"attempt-1": True, "attempt-2": True, "attempt-3": False, "attempt-4": False}, (
            done.stderr
        )
        server.broken = False
        asked = len(server.steps)
        again = home.run("resume", run)
        assert again.returncode == 0, again.stderr
    assert [step for step in server.steps[asked:] if "/patch/" in step] == ["think-patches-3/patch/0"]
    _, _, attempts, _ = read(home)
    assert len(attempts) == 4 and all(body["patch"] for body in attempts.values())
