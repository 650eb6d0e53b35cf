"""The way distil: a wave, a tournament of its summaries, a second wave that is told the best of them, or nothing."""

from __future__ import annotations

import re

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st
from test_kill import outcome
from toy_ways import WayServer, by_tools, endings, killed_and_resumed, words
from winnow_home import Home

from agent.ways.distil import DistilSettings, waves

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("ways-distil")]

LINES = {"1": toy.HALF, "2": toy.RIGHT, "3": toy.RIGHT + "  # as was found", "4": toy.LOUD}
SUMMARY = """<<<<< SUMMARY
===== HYPOTHESIS
The last name is cut off by the slice.
===== PROGRESS
Changed the last line of join_names; two names were tried: seen {line}
===== FAILURES
Nothing else was run.
===== PATCH
Joins the last name with "and".
>>>>> END
"""


def answer(step: str, body: dict) -> object:
    """Summaries say which line was written; of two, the judge prefers the one that is right, then the plain one."""
    if step.startswith("attempt-"):
        return by_tools(step, LINES[step[len("attempt-")]])
    if "/summary/" in step:
        number = step.split("/summary/attempt-")[1][0]
        return SUMMARY.format(line=LINES[number].strip())
    assert "/match/" in step, step
    sides = re.split(r"^# Candidate ([AB])\n", body["messages"][0]["content"], flags=re.M)
    shown = dict(zip(sides[1::2], sides[2::2], strict=True))
    winner = min(shown, key=lambda label: (_rank(shown[label]), label))
    return f"They differ.\n\n<<<<< WINNER\n{winner}\nCandidate {winner} joins two names too.\n>>>>> END\n"


def _rank(side: str) -> int:
    """Which of the lines a side's patch has, the best first."""
    order = (LINES["3"], LINES["2"], LINES["4"], LINES["1"])
    return next(i for i, line in enumerate(order) if f"+{line}\n" in side)


def asked(server, checkout, *more: str) -> list[str]:
    return words(server, checkout, "distil", "--attempts", "4", "-o", "distil.untold=0.5", *more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Home, WayServer, object]:
    folder = tmp_path_factory.mktemp("distil")
    checkout, home = toy.make_repository(folder / "repo"), Home(folder / "home")
    with WayServer(answer) as server:
        done = home.run(*asked(server, checkout))
    assert done.returncode == 0, done.stderr
    return home, server, done


def test_both_waves_are_in_the_pool_and_the_tournament_decides(undisturbed):
    home, _, done = undisturbed
    assert endings(home) == {f"attempt-{i}": "finished" for i in range(1, 5)}
    assert "Chosen: attempt-3" in done.stdout


def test_the_told_know_the_best_summaries_and_the_untold_know_nothing(undisturbed):
    _, server, _ = undisturbed
    first, told, untold = (server.prompt(f"attempt-{i}/agent/0") for i in (1, 3, 4))
    assert untold == first and told[0] == first[0] and told[1].startswith(first[1])
    guidance = told[1].removeprefix(first[1])
    assert f"+{toy.RIGHT}\n" in guidance and f"seen {toy.RIGHT.strip()}" in guidance
    assert guidance.index(f"+{toy.RIGHT}\n") < guidance.index(f"+{toy.HALF}\n"), "the best comes first"
    assert "the better one in 2 of 2" in guidance and "Why another was better" in guidance


def test_the_first_waves_summaries_and_matches_are_not_made_again(undisturbed):
    _, server, _ = undisturbed
    others = [step.split("/", 1)[1] for step in server.steps if not step.startswith("attempt-")]
    assert len(others) == len(set(others))
    assert sum(step.startswith("summary/") for step in others) == 4


def test_killed_in_the_second_wave_it_asks_the_same_again(undisturbed, tmp_path):
    home, _, _ = undisturbed
    checkout, killed = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    kills = ["attempt-3/agent/1"]
    assert killed_and_resumed(killed, answer, lambda s: asked(s, checkout), kills) == outcome(home.store)


@given(
    attempts=st.integers(1, 200),
    first=st.floats(0.01, 1),
    untold=st.floats(0, 1),
)
def test_the_waves_make_all_attempts_and_the_first_is_never_empty(attempts, first, untold):
    one, told = waves(attempts, DistilSettings(first=first, untold=untold))
    assert 1 <= one <= attempts and 0 <= told <= attempts - one
    assert untold > 0 or told == attempts - one
