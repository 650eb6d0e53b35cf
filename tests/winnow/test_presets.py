"""`winnow presets`: every preset is whole, its cost holds against what its recording took, and can be read."""

from __future__ import annotations

import json
from dataclasses import astuple

import pytest

from agent import Calls
from winnow import costs, ways
from winnow.configuration import configure, merged, presets
from winnow.costs import cost_of
from winnow.demo import DATA, PRESET, PRESETS, RECORDING, recorded

MODEL = {"model": {"name": "gpt-5"}}


def test_every_way_has_a_cost_and_every_preset_a_way():
    assert costs.WAYS.keys() == ways.WAYS.keys()
    for name in presets():
        configuration = configure(name, MODEL)
        assert configuration.way in ways.WAYS
        cost = cost_of(configuration)
        for calls in (cost.way, cost.selection, cost.all):
            assert 0 <= calls.lower <= calls.typical <= calls.upper, name
        assert cost.way.lower > 0


@pytest.mark.parametrize("preset", recorded())
def test_what_a_recording_took_lies_within_its_cost(preset):
    body = json.loads(((PRESETS / f"{preset}.json") if preset != PRESET else DATA / RECORDING).read_text())
    said = body.get("settings", {"attempts": 5})
    cost = cost_of(configure(preset, merged(said, MODEL)))
    took = [step["at"] for step in body["steps"] if not step["at"].startswith("context/")]
    weighing = [at for at in took if at.startswith(("selection-", "weigh-"))]
    made = len(took) - len(weighing)
    assert cost.way.lower <= made <= cost.way.upper, f"{made} calls, {cost.way}"
    assert cost.selection.lower <= len(weighing) <= cost.selection.upper, f"{len(weighing)}, {cost.selection}"


def test_every_preset_has_a_recording_on_the_demos_issue():
    assert set(recorded()) == presets().keys()


def test_more_attempts_never_cost_less():
    for name in presets():
        few, many = (cost_of(configure(name, {**MODEL, "attempts": n})).all for n in (6, 24))
        assert all(a <= b for a, b in zip(astuple(few), astuple(many), strict=True)), name


def test_costs_follow_the_settings():
    def cost(**said) -> Calls:
        return cost_of(configure("mini", merged(MODEL, said))).all

    assert cost() == Calls(2, 20, 40)
    assert cost(tools={"steps": 10}) == Calls(2, 5, 10)
    members = [{"model": "a", "agent": "samples"}, {"model": "b"}]
    mixed = cost(attempts=4, mixture={"members": members})
    assert (mixed.lower, mixed.upper) == (4, 160)
    judged = cost(attempts=2, selection={"judge": True, "strategy": "judge"})
    assert judged.upper == 80 + 2 * 5


def test_the_list_names_every_preset_with_its_calls(home):
    done = home.run("presets")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()}
    for name in presets():
        calls = cost_of(configure(name, MODEL)).all
        assert f"{calls.typical:,}" in lines[name] and f"{calls.upper:,}" in lines[name]
    told = json.loads(home.run("presets", "--json").stdout)
    assert told.keys() == presets().keys()


def test_one_preset_is_shown_with_its_parts(home):
    done = home.run("presets", "show", "archon")
    assert done.returncode == 0, done.stderr
    assert "2409.15254" in done.stdout and "critique" in done.stdout and "rank, keep 5" in done.stdout
    told = json.loads(home.run("presets", "show", "agent", "--json").stdout)
    assert told["settings"]["selection.judge"] is True and told["strategy"] == "hybrid"
    assert told["calls"]["all"]["upper"] >= told["calls"]["all"]["typical"] > 0


@pytest.mark.parametrize(("words", "said"), [
    (["show", "evoscal"], "did you mean 'evoscale'?"),
    (["show"], "which one?"),
    (["evoscale"], "winnow presets show evoscale"),
])  # fmt: skip
def test_a_wrong_word_is_a_sentence(home, words, said):
    done = home.run("presets", *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
