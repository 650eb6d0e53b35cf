"""Evolution from the command: what survivors are shown as, and a run that is killed in its second generation goes on.

Calls are counted at the server, as in test_kill: the same requests, nothing paid twice but what was in flight.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import toy
from direct_server import DirectServer, edit
from kills import Kills, asked_for, runs
from test_kill import outcome
from winnow_home import Home

from store import open_store

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]

WORDS = (
    "--preset",
    "evoscale",
    "--attempts",
    "6",
    "-o",
    "evoscale.population=2",
    "-o",
    "selection.reproduction_files=1",
)
LINES = (toy.HALF, toy.HALF, toy.LOUD, toy.RIGHT, toy.RIGHT + "  # all of them", toy.LOUD)
"""Of attempts 1 to 6: the first two are the same patch, and only the fourth is right and short."""


def evolving(step, choice, messages):
    """Attempt 3 misses the place at first."""
    first = re.search(r"patches-(\d+)", step)
    number = int(first[1]) + choice if first else int(re.search(r"attempt-(\d+)", step)[1])
    return edit(LINES[number - 1], "    nowhere" if number == 3 and first else toy.OLD)


def arguments(server: DirectServer, checkout: Path) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--sandbox", "overlay", "--price", "1,10", *WORDS,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(the outcome, the server as it was left, the checkout, its home) of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("evoscale-undisturbed")
    checkout = toy.make_repository(folder / "repo")
    home = Home(folder / "home")
    with DirectServer(evolving) as server:
        done = home.run(*arguments(server, checkout))
        assert done.returncode == 0, done.stderr
        assert "Chosen: attempt-4" in done.stdout
    return outcome(home.store), server, checkout, home


def test_generations_are_shown_the_best_before_them(undisturbed):
    _, server, _, _ = undisturbed
    asked = {body["step"]: body["messages"] for body in server.requests if "/patch/" in body["step"]}
    assert sorted(asked) == [
        "attempt-3/patch/1",
        *(f"think-patches-{first}/patch/0" for first in (1, 3, 5)),
    ]
    assert len({json.dumps(messages[0]) for messages in asked.values()}) == 1
    plain, second, third = (asked[f"think-patches-{first}/patch/0"][1]["content"] for first in (1, 3, 5))
    assert "Earlier attempt" not in plain
    # One of the equal patches survives; it is told what its test cases and the judge say, and no more.
    assert second.startswith("1 earlier attempt ") and second.count(f"+{toy.HALF}") == 1
    assert "A judge that only read it" in second
    # The best of all so far come first: the right one, then whoever resolves fewer cases.
    assert third.startswith("3 earlier attempts ")
    assert third.index(f"+{toy.RIGHT}") < min(third.index(f"+{toy.HALF}"), third.index(f"+{toy.LOUD}"))


def test_nothing_is_gathered_twice(undisturbed):
    ended, server, _, _ = undisturbed
    judged = [step for step in server.steps if "/execution-free/" in step]
    assert len(judged) == len(set(judged)) == 5  # one of the two that are the same patch
    assert sum("/reproduction" in step for step in server.steps) == 1
    assert {name for name in ended["endings"] if name.startswith("weigh-")} == {
        "weigh-generation-1",
        "weigh-generation-2",
    }


def test_killed_twice_in_its_second_generation_it_comes_to_the_same_end(undisturbed, tmp_path):
    """As the generation's first request arrives, and again while the generation is weighed."""
    expected, first, checkout, _ = undisturbed
    home = Home(tmp_path / "home")
    with DirectServer(evolving) as server:
        words, kills = arguments(server, checkout), Kills(home, server)
        for at in ("think-patches-3/patch/0", "weigh-generation-2/"):
            kills.at(words, asked_for(at))
            words = ["resume", *runs(home.store)]
        done = home.run(*words)
        assert done.returncode == 0, done.stderr
        kills.paid_once()
    ended = outcome(home.store)
    assert ended["steps"].keys() == expected["steps"].keys()
    assert ended == expected

    # What was asked is the same, byte for byte, whichever session asked it.
    def said(seen):
        return {(body["step"], json.dumps(body["messages"])) for body in seen.requests}

    assert said(server) == said(first)


def test_choices_are_told_from_each_other_in_the_journal(undisturbed):
    """Each attempt's own conversation is there, though its first reply came with others: the judge was shown it."""
    _, server, _, home = undisturbed
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = [row.task for row in store.tasks(run)]
        for number, line in enumerate(LINES, 1):
            steps = [
                step for step in store.steps(run, task, f"attempt-{number}") if step.kind in ("ask", "given")
            ]
            assert [step.kind for step in steps] == ["given", "ask"][: 2 if number == 3 else 1]
            assert line.strip() in json.loads(steps[-1].answer)["choices"][0]["message"]["content"]
    judged = [body["messages"] for body in server.requests if "/execution-free/" in body["step"]]
    assert any("what the attempt said" in json.dumps(messages) for messages in judged)
