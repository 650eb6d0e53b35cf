"""How sure a choice is, what it is made of, and the card that says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import Candidate, Run, Script
from selection import (
    DEFAULT,
    FEATURES,
    UNFIXED,
    Cases,
    Evidence,
    Existing,
    Judgement,
    MachineChoice,
    Regression,
    Reproduction,
    Signals,
    Test,
    card_of,
    card_text,
    features_of,
    reliability,
    strategy,
    weigh,
    with_confidence,
)

TESTS = tuple(Test(f"test-{i}", Script("sh", str(i))) for i in (1, 2))


def made(passed: dict[str, int], broken: dict[str, tuple[str, ...]] | None = None, **more) -> Evidence:
    cells = {(UNFIXED, test.id): Run(2, "") for test in TESTS}
    for name, count in passed.items():
        cells |= {(name, t.id): Run(0 if i < count else 2, f"seen {i}\n") for i, t in enumerate(TESTS)}
    return Evidence(
        tuple(Candidate(name, f"patch {name}\n") for name in passed),
        TESTS,
        dict.fromkeys(passed, True),
        cells,
        {name: Regression(b, 9 - len(b), 9) for name, b in (broken or dict.fromkeys(passed, ())).items()},
        **more,
    )


def test_the_sum_is_what_it_says_it_is():
    evidence = made({"a": 2, "b": 0}, judgements={"a": Judgement(0.9, "log-probabilities")})
    weighed = weigh(evidence)
    for found in weighed.values():
        assert found.log_odds == pytest.approx(DEFAULT.intercept + sum(added for _, added, _ in found.parts))
    assert weighed["a"].probability > 0.5 > weighed["b"].probability
    parts = {kind: added for kind, added, _ in weighed["b"].parts}
    assert (
        parts["judge"] == -DEFAULT.features["judge"].weight
    )  # others were judged, it was not: the worst there is
    assert "matches" not in parts  # nobody was compared: nothing is known
    assert set(FEATURES) == set(DEFAULT.features)


def test_more_passed_tests_make_surer_and_broken_ones_less_sure():
    sure = [weigh(made({"a": n, "b": 0}))["a"].log_odds for n in (0, 1, 2)]
    assert sure == sorted(sure) and len(set(sure)) == 3
    breaking = [("t0",) * 0, ("t0",), ("t0", "t1"), tuple(f"t{i}" for i in range(8))]
    sure = [weigh(made({"a": 2, "b": 2}, {"a": b, "b": ()}))["a"].log_odds for b in breaking]
    assert sure == sorted(sure, reverse=True) and len(set(sure)) == 4


def test_a_test_that_three_different_patches_all_break_says_nothing():
    two = made({"a": 2, "b": 2}, {"a": ("t",), "b": ("t",)})
    three = made({"a": 2, "b": 2, "c": 1}, {"a": ("t",), "b": ("t",), "c": ("t", "u")})
    value = lambda evidence, name: features_of(evidence)[name]["existing tests"].value  # noqa: E731
    assert value(two, "a") == -0.25
    assert (value(three, "a"), value(three, "c")) == (0.3, -0.25)
    copied = replace(
        two,
        candidates=(*two.candidates, Candidate("c", "patch a\n")),
        applies={**two.applies, "c": True},
        regressions={**two.regressions, "c": Regression(("t",), 8, 9)},
    )
    assert value(copied, "a") == -0.25  # two of the three are one patch


def test_few_samples_are_no_certainty():
    yes = [
        features_of(made({"a": 1}, judgements={"a": Judgement(1.0, how, n)}))["a"]["judge"].value
        for how, n in (("samples", 1), ("samples", 5), ("log-probabilities", 1))
    ]
    assert yes == sorted(yes) and yes[-1] == 1.0 and yes[0] < 0.5


def test_predictions_from_elsewhere_have_no_trajectory_to_speak_for_them():
    evidence = made({"a": 1, "b": 1}, signals={"a": Signals("finished", 0), "b": Signals("finished", 0)})
    assert "trajectory signals" not in features_of(evidence)["a"]
    flagged = replace(
        evidence, signals={"a": Signals("finished", 3), "b": Signals("finished", 3, "", ("network",))}
    )
    found = features_of(flagged)
    assert found["a"]["trajectory signals"].value == 1.0 and found["b"]["trajectory signals"].value == -1.0


def test_below_what_is_asked_for_nothing_is_chosen_and_the_best_is_named():
    evidence = made({"a": 2, "b": 0})
    ranking = strategy("votes")(evidence)
    sure = with_confidence(ranking, evidence)
    assert sure.chosen == "a" and 0 < sure.confidence < 1
    none = with_confidence(ranking, evidence, least=0.999)
    assert none.chosen is None and none.confidence == sure.confidence
    assert none.why.startswith("Nothing is chosen: a is the best, but only") and none.order == ranking.order
    assert with_confidence(ranking, evidence, least=sure.confidence).chosen == "a"


def test_reliability_counts_each_choice_once():
    pairs = [(0.0, False), (0.05, True), (0.1, False), (0.55, True), (1.0, True)]
    found = reliability(pairs)
    assert [(b.low, b.choices, b.right) for b in found.bins] == [
        (0.0, 2, 1),
        (0.1, 1, 0),
        (0.5, 1, 1),
        (0.9, 1, 1),
    ]
    assert found.brier == pytest.approx((0 + 0.95**2 + 0.01 + 0.45**2 + 0) / 5)
    assert reliability(list(reversed(pairs))) == found and reliability([]) is None


def test_the_card_says_what_tells_and_what_nobody_looked_at():
    evidence = made(
        {"a": 2, "b": 1, "c": 0, "d": 0},
        {"a": ("tests/test_x.py::test_one",), "b": (), "c": (), "d": ()},
        gaps={"judge": "no model was named"},
        existing=Existing("2 of 9 test files: 2 beside a touched file", ("x", "y"), {}, ("t::flaky",)),
        signals={"a": Signals("step limit", 9, "I am not sure of this", ("network",))},
    )
    evidence = replace(evidence, tests=(*TESTS, Test("test-3", Script("sh", "3"))))
    ranking = with_confidence(strategy("winnow")(evidence), evidence)
    card = card_of(evidence, replace(ranking, order=sorted_as(ranking, "a"), chosen="a"))
    text = card_text(card)
    assert card.columns == ("a", *[name for name in card.columns[1:]]) and len(card.columns) == 3
    for said in (
        "a is chosen",
        "test-2: a passes; ",
        "fails (exit 2): seen 1",
        "existing tests that it breaks: tests/test_x.py::test_one",
        "the attempt's own words: I am not sure of this",
        "audit: network",
        "judge: no model was named",
        "the other existing tests; run were 2 of 9 test files: 2 beside a touched file",
        "flaky existing tests, which count for nothing: t::flaky",
        "test-3 (was not run on the unfixed code)",
        "they were run once on the unfixed code",
    ):
        assert said in text, said
    assert len(text.splitlines()) < 50 and max(map(len, text.splitlines()[3:20])) <= 120
    assert card_of(Evidence(()), strategy("winnow")(Evidence(()))) is None


def test_the_card_quotes_what_a_failing_run_prints_and_a_passing_one_does_not():
    evidence = made({"a": 1, "b": 0})
    outputs = {"a": "one: saw 1\ntwo: saw 2\n", "b": "one: saw 9\ntwo: saw 2\n"}
    cells = {
        (name, test): replace(run, output=outputs.get(name, run.output))
        for (name, test), run in evidence.cells.items()
    }
    before = Cases({"x": "reproduced", "y": "reproduced", "z": "resolved"})
    runs = {UNFIXED: before, "a": Cases({"x": "resolved"}), "b": Cases({"y": "other", "z": "other"})}
    evidence = replace(
        evidence,
        cells=cells,
        tests=(replace(evidence.tests[0], origin="distinguishing"), *evidence.tests[1:]),
        reproductions=(Reproduction("cases-1", Script("sh", "x"), runs),),
        machine=MachineChoice(None, "there was nothing to compare", ("a",)),
    )
    card = card_of(evidence, strategy("votes")(evidence))
    assert card.columns == ("a", "b")
    assert card.tests == (
        "test-1 (written to tell leaders apart): a passes; b fails (exit 2): one: saw 9",
        "test-2: a fails (exit 2): two: saw 2; b fails (exit 2): two: saw 2",
        "cases-1: b does not resolve x",  # y nobody resolves, z says nothing on the unfixed code
    )
    assert "selection machine: it names none (there was nothing to compare)" in card.untested
    titles = {row[0]: row[1:] for row in card.rows}
    assert titles["existing tests"] == ("breaks none of 9", "breaks none of 9")


def sorted_as(ranking, first: str):
    return tuple(sorted(ranking.order, key=lambda ranked: ranked.candidate != first))
