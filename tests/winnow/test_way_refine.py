"""The way refine: each attempt is told the best so far and what is known of it, until the verifier is content."""

from __future__ import annotations

import pytest
import toy
from test_kill import outcome
from toy_ways import CASES, WayServer, by_tools, endings, killed_and_resumed, words, yes
from winnow_home import Home

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("ways-refine")]


LINES = {"1": toy.HALF, "2": toy.LOUD, "3": toy.RIGHT}


def answer(step: str, body: dict) -> object:
    """Attempt 1 is half right, 2 is wrong, 3 is right; cases and judge see which is which."""
    if step.startswith("attempt-"):
        return by_tools(step, LINES[step[len("attempt-")]])
    if "/reproduction/" in step:
        return f"All of them.\n\n<<<<< TEST\n{CASES}>>>>> END\n"
    assert "/execution-free/" in step, step
    patch = body["messages"][0]["content"].rpartition("# The patch")[2]
    return yes(0.9 if f"+{toy.RIGHT}\n" in patch else 0.3 if toy.HALF in patch else 0.1)


def asked(server, checkout) -> list[str]:
    return words(server, checkout, "refine", "--attempts", "4")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Home, WayServer, object]:
    folder = tmp_path_factory.mktemp("refine")
    checkout, home = toy.make_repository(folder / "repo"), Home(folder / "home")
    with WayServer(answer) as server:
        done = home.run(*asked(server, checkout))
    assert done.returncode == 0, done.stderr
    return home, server, done


def test_it_goes_on_from_the_best_and_stops_when_the_verifier_is_content(undisturbed):
    home, server, done = undisturbed
    assert endings(home) == {"attempt-1": "finished", "attempt-2": "finished", "attempt-3": "finished"}
    assert "Chosen: attempt-3" in done.stdout and f"+{toy.RIGHT}" in done.stdout
    assert "no further attempt is made" in done.stdout + done.stderr


def test_what_the_next_is_told_is_the_best_patch_and_what_was_run(undisturbed):
    """The second is worse, so the first is still the best: the third is told of it, too."""
    _, server, _ = undisturbed
    first, second, third = (server.prompt(f"attempt-{number}/agent/0") for number in (1, 2, 3))
    for later in (second, third):
        assert first[0] == later[0] and later[1].startswith(first[1])
        told = later[1].removeprefix(first[1])
        assert f"+{toy.HALF}" in told and "30%" in told and "case 1: reproduced" in told
        assert "resolves 6 of 10 generated reproduction cases" in told
        assert "Breaks none of 3 existing tests" in told and toy.LOUD not in told
    assert "attempts so far" not in second[1] and "the best of 2 attempts so far" in third[1]


def test_evidence_is_gathered_once(undisturbed):
    """Weighing after each round and at the end asks for the cases once, and for each candidate's judge once."""
    _, server, _ = undisturbed
    others = [step.split("/", 1)[1] for step in server.steps if not step.startswith("attempt-")]
    assert sorted(others) == sorted(set(others)) and len(others) == 4


def test_killed_in_the_second_round_it_asks_the_same_again(undisturbed, tmp_path):
    home, _, _ = undisturbed
    checkout, killed = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    kills = ["attempt-2/agent/1"]
    assert killed_and_resumed(killed, answer, lambda s: asked(s, checkout), kills) == outcome(home.store)
