"""The way first-finish: who is first ends the others, once; that is decided for good, and counted as what it is."""

from __future__ import annotations

import json

import pytest
import toy
from test_kill import outcome
from toy_ways import WayServer, by_tools, call, endings, killed_and_resumed, words, yes
from winnow_home import Home

from agent import Ending
from store import open_store
from winnow.attempts import NOBODY
from winnow.figures_gather import gather
from winnow.figures_summary import summarize
from winnow.recording import compare, record

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("ways-first-finish")]

ENDLESS = ("-o", "tools.steps=100000")
"""Whoever goes on looking does so until it is stopped, however long the others take to finish."""
MORE = ("--attempts", "3", "-o", "selection.judge=true", *ENDLESS)


def look(step: str) -> dict:
    """A command like no other's, so that nobody is stuck."""
    return call("bash", command=f"sleep 0.1; echo {step}")


def second_is_first(step: str, body: dict) -> dict:
    """Attempt 2 is done after three steps; the others go on looking, each time elsewhere."""
    if "/execution-free/" in step:
        return yes(0.8)
    if step.startswith("attempt-2/"):
        return by_tools(step, toy.RIGHT)
    return look(step)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Home, WayServer, object]:
    folder = tmp_path_factory.mktemp("first-finish")
    checkout, home = toy.make_repository(folder / "repo"), Home(folder / "home")
    with WayServer(second_is_first) as server:
        done = home.run(*words(server, checkout, "first-finish", *MORE))
    assert done.returncode == 0, done.stderr
    return home, server, done


def test_the_first_to_submit_ends_the_others(undisturbed):
    home, server, done = undisturbed
    assert endings(home) == {
        "attempt-1": "not needed",
        "attempt-2": "finished",
        "attempt-3": "not needed",
    }
    assert "Chosen: attempt-2" in done.stdout and f"+{toy.RIGHT}" in done.stdout
    assert "attempt-2 finished first; 2 others are stopped." in done.stdout + done.stderr
    assert sum(step.startswith("attempt-2/") for step in server.steps) == 3


def test_who_was_stopped_is_no_wrong_answer_and_not_the_worlds_fault(undisturbed):
    home, _, _ = undisturbed
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        summary = summarize(gather(store, run))
    counted = summary.attempts
    assert (counted.all, counted.results, counted.ended_by_world, counted.not_needed) == (3, 1, 0, 2)
    assert [(row.ending, row.attempts) for row in summary.endings if row.fault == NOBODY] == [
        ("not needed", 2)
    ]
    assert not Ending.NOT_NEEDED.is_result
    report = home.run("report", run)
    assert report.returncode == 0 and "stopped for others" in " ".join(report.stdout.split())


def test_a_recording_holds_who_was_first_and_nothing_of_those_who_were_stopped(undisturbed, tmp_path):
    home, server, _ = undisturbed
    path = tmp_path / "recording.json"
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        record(store, run, "the toy, first to finish", path)
    places = [step["at"] for step in json.loads(path.read_text())["steps"]]
    assert {at.split("/")[0] for at in places if at.startswith("attempt-")} == {"attempt-2"}
    again = Home(tmp_path / "again")
    checkout = toy.make_repository(tmp_path / "repo")
    model = ["--model", f"replay:{path}", "--sandbox", "overlay"]
    done = again.run("solve", str(checkout), "--issue", toy.ISSUE, "--preset", "first-finish", *model, *MORE)
    assert done.returncode == 0, done.stderr
    assert endings(again) == endings(home)
    with open_store(again.store) as store:
        [run] = [row.run for row in store.runs()]
        assert compare(path, store, run) == []


def test_killed_before_and_after_somebody_was_first_it_comes_to_the_same_end(undisturbed, tmp_path):
    home, _, _ = undisturbed
    checkout, killed = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    found = killed_and_resumed(
        killed,
        second_is_first,
        lambda server: words(server, checkout, "first-finish", *MORE),
        ["attempt-2/agent/1", "/execution-free/"],
    )
    expected = outcome(home.store)
    own = lambda steps: {k: v for k, v in steps.items() if k.startswith(("attempt-2/", "selection"))}  # noqa: E731
    assert own(found["steps"]) == own(expected["steps"])
    assert found["endings"] == expected["endings"] and found["results"] == expected["results"]


def test_where_too_few_finish_all_that_were_made_stand(tmp_path):
    def nobody_submits(step: str, body: dict) -> dict:
        return by_tools(step, toy.RIGHT) if not step.endswith("/2") else call("bash", command="true")

    checkout, home = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    with WayServer(nobody_submits) as server:
        asked = words(server, checkout, "first-finish", "--attempts", "2", "-o", "tools.steps=3")
        done = home.run(*asked)
    assert done.returncode == 0, done.stderr
    assert endings(home) == {"attempt-1": "step limit", "attempt-2": "step limit"}
    assert "Chosen: attempt-1" in done.stdout


def test_as_many_finishers_as_asked_for_and_what_the_world_ended_is_not_tried_again(tmp_path):
    """Attempt 1 has no server, attempt 4 goes on looking: two others are enough, and nothing is left to try."""

    def two_can(step: str, body: dict) -> dict:
        if step.startswith("attempt-1/"):
            return {"misbehave": "error", "status": 500, "message": "no"}
        return look(step) if step.startswith("attempt-4/") else by_tools(step, toy.RIGHT)

    checkout, home = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    more = ("--attempts", "4", "-o", "first_finish.finishers=2", "-o", "model.patience=0", *ENDLESS)
    with WayServer(two_can) as server:
        done = home.run(*words(server, checkout, "first-finish", *more))
    assert done.returncode == 0, done.stderr
    assert endings(home) == {
        "attempt-1": "not needed",
        "attempt-2": "finished",
        "attempt-3": "finished",
        "attempt-4": "not needed",
    }
    with open_store(home.store) as store:
        [row] = store.runs()
        assert row.status == "finished"
