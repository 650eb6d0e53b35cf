"""`winnow select` on real stores: choosing again, comparing, curves, cards, predictions; no model, nothing run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import pytest
from graded_run import RUN, Told, Try, patch_of, write
from typer.testing import CliRunner

from agent import Candidate, Run, Script
from selection import (
    DEFAULT,
    STRATEGIES,
    UNFIXED,
    Effort,
    Evidence,
    Judgement,
    MachineChoice,
    Match,
    Regression,
    Test,
    read_weights,
)
from store import open_store
from winnow.cli import app
from winnow.figures import pass_at_k
from winnow.select_compare import compare
from winnow.select_curves import best_at, restricted, subsets
from winnow.select_issues import Weighable, weighable
from winnow.stored import evidence_to_json, ranking_from_json

MAIN = "from winnow.cli import main; main()"
TESTS = tuple(Test(f"test-{i}", Script("sh", f"exit {i}")) for i in (1, 2, 3))
ISSUES = {
    "a__b-1": {"attempt-1": (0, False), "attempt-2": (3, True), "attempt-3": (2, False)},
    "a__b-2": {"attempt-1": (3, False), "attempt-2": (3, True), "attempt-3": (1, True)},
    "a__b-3": {"attempt-1": (1, False), "attempt-2": (1, False), "attempt-3": (1, False)},
    "a__b-4": {"attempt-1": (2, True), "attempt-2": (0, False), "attempt-3": (0, False)},
}
"""By issue and candidate: how many of three tests it passes, and whether it is right."""


def told() -> dict[str, Told]:
    number = iter(range(100))
    return {
        task: Told({name: Try(patch_of(next(number)), right) for name, (_, right) in tries.items()})
        for task, tries in ISSUES.items()
    }


def evidence_on(candidates, passed) -> Evidence:
    cells = {(UNFIXED, test.id): Run(2, "") for test in TESTS}
    for name, count in passed.items():
        cells |= {(name, t.id): Run(0 if i < count else 2, f"saw {i}\n") for i, t in enumerate(TESTS)}
    return Evidence(
        tuple(candidates),
        TESTS,
        dict.fromkeys(passed, True),
        cells,
        {name: Regression(known=5, passed=5) for name in passed},
        effort={"generated tests": Effort(calls=2, executions=12, tokens=100, cost=0.25)},
        gaps={"judge": "switched off"},
    )


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A graded run with evidence on every issue but the last."""
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    file, issues = tmp_path / "winnow.db", told()
    write(file, issues)
    with open_store(file) as store:
        for task in list(ISSUES)[:-1]:
            candidates = [Candidate(name, made.patch) for name, made in issues[task].tries.items()]
            evidence = evidence_on(candidates, {name: count for name, (count, _) in ISSUES[task].items()})
            asyncio.run(store.put_result(RUN, task, "evidence", "all", evidence_to_json(evidence)))
    return file


def select(file, *words: str):
    return CliRunner().invoke(app, ["select", *words, "--store", str(file)], catch_exceptions=False)


def choices(file, strategy: str) -> dict[str, str | None]:
    with open_store(file) as store:
        rows = [row for row in store.each_result(RUN, "choice") if row.name == strategy]
        return {row.task: ranking_from_json(row.body).chosen for row in rows}


def test_choosing_again_keeps_the_choices_and_runs_nothing(file, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something was run")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    done = select(file, RUN[:12], "--strategy", "votes")
    assert done.exit_code == 0, done.output
    assert choices(file, "votes") == {
        "a__b-1": "attempt-2", "a__b-2": "attempt-1", "a__b-3": "attempt-1", "a__b-4": None,
    }  # fmt: skip
    assert "resolves" in done.output and "Nothing is known of the candidates of a__b-4" in done.output
    again = select(file, RUN, "--strategy", "most-votes", "--task", "a__b-1")
    assert choices(file, "most-votes") == {"a__b-1": "attempt-2"}
    assert "attempt-2 is chosen" in again.output and "passes 3 of 3" in again.output


def test_what_another_strategy_chose_can_be_exported(file, tmp_path):
    def export(strategy: str):
        words = ["export", RUN, "--format", "predictions-jsonl", "--strategy", strategy, "--store", str(file)]
        return CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out.jsonl")])

    assert "winnow select" in str(export("shortest").exception)
    assert select(file, RUN, "--strategy", "votes").exit_code == 0
    assert export("votes").exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    chosen = {row["instance_id"]: row["model_patch"] for row in rows}
    assert chosen["a__b-1"] == patch_of(1) and chosen["a__b-2"] == patch_of(3)


def test_a_card_says_what_was_not_tested(file):
    said = select(file, RUN, "--task", "a__b-1").output
    assert "judge: switched off" in said and "matches: none were gathered" in said
    assert (
        "test-3: attempt-2 passes; attempt-3 fails (exit 2): saw 2; attempt-1 fails (exit 2): saw 2" in said
    )
    assert "not tested:" in said and "the patch:" in said and "+value = 1" in said
    assert "by priors, not fitted" in said
    found = json.loads(select(file, RUN, "--task", "a__b-1", "--json").stdout)
    assert found[0]["chosen"] == "attempt-2" and 0.5 < found[0]["confidence"] < 1
    assert found[0]["card"]["columns"][0] == "attempt-2"


def test_the_report_says_how_sure_choices_were_and_how_often_right(file):
    select(file, RUN, "--strategy", "codemonkeys")
    done = CliRunner().invoke(app, ["report", RUN, "--store", str(file)], catch_exceptions=False)
    assert "How sure: the choices of codemonkeys" in done.output and "Brier" in done.output
    found = json.loads(
        CliRunner()
        .invoke(app, ["report", RUN, "--json", "--store", str(file)], catch_exceptions=False)
        .stdout
    )
    assert found["reliable"]["choices"] == 3  # nothing was chosen of the fourth issue
    assert sum(each["right"] for each in found["reliable"]["bins"]) == 1


def test_abstaining_is_an_answer(file):
    done = select(file, RUN, "--task", "a__b-1", "--min-confidence", "0.99")
    assert done.exit_code == 1
    assert choices(file, "winnow") == {"a__b-1": None}
    assert "nothing is chosen; attempt-2 is next" in done.output and "99% is asked for" in done.output


def test_all_strategies_side_by_side(file):
    found = json.loads(select(file, RUN, "--compare", "--json").stdout)
    rows = {row["strategy"]: row for row in found["rows"]}
    assert set(rows) == {*STRATEGIES, "oracle"}
    assert (found["issues"], found["graded"], found["mixed"]) == (3, 3, 2)  # of the fourth nothing is known
    assert rows["oracle"]["resolved"]["value"] == found["coverage"]["value"] == pytest.approx(2 / 3)
    assert rows["oracle"]["efficiency"]["value"] == 1.0
    assert rows["random"]["resolved"]["value"] == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    assert rows["votes"]["resolved"]["value"] == pytest.approx(
        1 / 3
    )  # the second's tie goes to the first id, which is wrong
    assert rows["votes"]["tied"] == 2  # of the second, and of the third, whose three pass one test each
    assert rows["votes"]["by_lot"]["value"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert rows["random"]["by_lot"] == rows["random"]["resolved"] and rows["oracle"]["tied"] == 2
    assert rows["votes"]["blind"] == 0 and rows["judge"]["blind"] == 3 and rows["votes"]["chosen"] == 3
    assert rows["votes"]["cost"] == {
        "calls": 6, "executions": 36, "tokens": 300, "usd": 0.75, "recorded": True,
    }  # fmt: skip
    assert rows["judge"]["cost"]["usd"] == 0
    assert rows["winnow"]["behind"] is None and rows["oracle"]["behind"]["value"] <= 0
    assert found["reliable"]["choices"] == 3
    said = select(file, RUN, "--compare").output
    assert "efficiency" in said and "Brier" in said and "self-consistency" in said


def test_curves_end_at_what_all_candidates_give(file):
    found = json.loads(select(file, RUN, "--curves", "--json").stdout)
    curves = {name: dict(points) for name, points in found["best_at"].items()}
    rows = {row["strategy"]: row["resolved"]["value"] for row in found["rows"]}
    for name, points in curves.items():
        assert list(points) == [1, 2, 3]
        assert points[3] == pytest.approx(rows[name]), name
    by_law = [sum(pass_at_k(3, right, k) for right in (1, 2, 0)) / 3 for k in (1, 2, 3)]
    assert list(curves["oracle"].values()) == pytest.approx(by_law)
    assert list(curves["random"].values()) == pytest.approx([by_law[0]] * 3)  # whatever it is drawn from
    assert list(curves["shortest"].values())[0] == pytest.approx(by_law[0])


def test_what_can_go_wrong_is_a_sentence(file, tmp_path):
    def fails(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "select", *words, "--store", str(file)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done
        assert "Traceback" not in done.stderr
        return done.stderr

    wrong = tmp_path / "weights.json"
    wrong.write_text('{"intercept": 0, "features": {"judge": {"weight": -1}}}')
    assert "none below 0" in fails(RUN, "--weights", str(wrong))
    wrong.write_text("nothing")
    assert "is no file of weights" in fails(RUN, "--weights", str(wrong))
    assert "no strategy 'vote'; the nearest is 'votes'" in " ".join(fails(RUN, "--strategy", "vote").split())
    assert "has no task nowhere" in fails(RUN, "--task", "nowhere")
    assert "name a RUN" in fails("--compare")
    assert "which dataset" in fails("--predictions", str(wrong))
    assert "--out" in fails(RUN, "--fit")


def test_a_run_without_grades_cannot_be_compared(tmp_path, monkeypatch):
    file = tmp_path / "winnow.db"
    write(file, {"a__b-1": Told({"attempt-1": Try(patch_of(1))})})
    done = CliRunner().invoke(app, ["select", RUN, "--compare", "--store", str(file)])
    assert "winnow grade" in str(done.exception)


def test_evidence_on_a_patch_that_changed_since_is_not_used(file):
    with open_store(file) as store:
        body = json.loads(store.trajectories(RUN, "a__b-1")[1].body)
        body["patch"] = patch_of(77)
        asyncio.run(
            store.put_trajectory(
                RUN, "a__b-1", body["id"], ending="finished", is_result=True, body=json.dumps(body)
            )
        )
        (issue,) = weighable(store, RUN, ["a__b-1"])
    changed = body["id"]
    assert changed not in issue.evidence.applies
    assert not any(name == changed for name, _ in issue.evidence.cells)
    assert len(issue.evidence.candidates) == 3 and len(issue.evidence.applies) == 2
    assert changed not in issue.grades  # its grade is of the older patch too


def issue_of(passed: dict[str, int], right: dict[str, bool], **more) -> Weighable:
    candidates = [Candidate(name, patch_of(i), TESTS[i % 3].script) for i, name in enumerate(passed)]
    return Weighable("r", "t", replace(evidence_on(candidates, passed), **more), True, right)


def test_a_subset_has_only_what_its_own_attempts_brought():
    issue = issue_of(
        {"a": 1, "b": 2, "c": 3},
        {"a": False, "b": True, "c": True},
        matches=(Match("a", "b", "a"), Match("b", "c", "c")),
        machine=MachineChoice("c", "why", ("a", "b", "c")),
        judgements={"a": Judgement(0.5, "samples"), "c": Judgement(0.5, "samples")},
    )
    part = restricted(issue.evidence, frozenset("ab"))
    assert [c.id for c in part.candidates] == ["a", "b"]
    assert [test.id for test in part.tests] == ["test-1", "test-2"]
    assert {name for name, _ in part.cells} == {UNFIXED, "a", "b"}
    assert part.matches == (Match("a", "b", "a"),) and part.machine is None
    assert set(part.judgements) == {"a"}
    assert restricted(issue.evidence, frozenset("abc")) == issue.evidence


def test_subsets_are_all_where_there_are_few_and_the_same_each_time():
    ids = [str(i) for i in range(12)]
    assert set(subsets(ids[:5], 2, 1000, "s")) == set(map(frozenset, combinations(ids[:5], 2)))
    some = list(subsets(ids, 6, 100, "s"))
    assert len(some) == 100 and some == list(subsets(list(reversed(ids)), 6, 100, "s"))
    assert all(len(subset) == 6 for subset in some)


def test_differences_are_paired():
    """Two strategies that choose alike differ by nothing, with no width, however wide each one's own interval is."""
    right = {"a": True, "b": False}
    issues = [issue_of({"a": 3, "b": 0}, right), issue_of({"a": 0, "b": 3}, right)] * 4
    rows = {row.strategy: row for row in compare(issues, DEFAULT).rows}
    assert (rows["votes"].behind.low, rows["votes"].behind.high) == (0, 0)
    assert rows["votes"].resolved.high > rows["votes"].resolved.low
    assert best_at(issues, {"votes": STRATEGIES["votes"]})["votes"] == ((1, 0.25), (2, 0.5))


def test_an_ensemble_of_predictions(tmp_path, monkeypatch):
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    row = {
        "instance_id": "a__b-1", "repo": "a/b", "base_commit": "0" * 40, "problem_statement": "It fails.",
        "patch": patch_of(0), "test_patch": patch_of(9, "tests/test_mod.py"), "version": "1",
        "FAIL_TO_PASS": '["t"]', "PASS_TO_PASS": "[]",
    }  # fmt: skip
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    words = ["select", "--dataset", str(tmp_path / "data.jsonl"), "--store", str(tmp_path / "s.db")]
    for name, number in (("one", 1), ("two", 2)):
        prediction = {"instance_id": "a__b-1", "model_name_or_path": name, "model_patch": patch_of(number)}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(prediction) + "\n")
        words += ["--predictions", str(tmp_path / f"{name}.jsonl")]
    done = CliRunner().invoke(app, [*words, "--strategy", "shortest"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "2 sources on 1 issues" in done.output and "one is chosen" in done.output
    unknown = CliRunner().invoke(app, [*words, "--strategy", "winnow"], catch_exceptions=False)
    assert unknown.exit_code == 1 and "not known whether it applies" in unknown.output  # nothing was gathered


def test_weights_fitted_to_graded_runs(file, tmp_path):
    pytest.importorskip("sklearn")
    from winnow.select_fit import CannotFit, digest_of, examples_of, fit

    with open_store(file) as store:
        few = list(weighable(store, RUN))
    with pytest.raises(CannotFit, match="there are 2 issues .* and 5 are needed"):
        fit(examples_of(few), DEFAULT)
    issues = [
        replace(issue_of({"a": n % 4, "b": 3 - n % 4}, {"a": n % 4 > 1, "b": n % 4 < 2}), task=f"t{n}")
        for n in range(12)
    ]
    examples = examples_of(issues)
    fitted = fit(examples, DEFAULT)
    assert fitted.features["generated tests"].weight > 0.5
    assert all(weight.weight >= 0 for weight in fitted.features.values())
    assert fitted.features["judge"].weight == DEFAULT.features["judge"].weight
    assert fitted.features["judge"].source.startswith("prior, not in the data")
    assert fitted.data == digest_of(examples) and fitted.fit["resolved held out"] == 12
    assert fit(examples_of(list(reversed(issues))), DEFAULT) == fitted
    wrong = [replace(e, right=not e.right) for e in examples]
    with pytest.raises(CannotFit, match="nothing to weigh"):
        fit(wrong, DEFAULT)


def examples(many: int, right: dict[str, float], wrong: dict[str, float]):
    from winnow.select_fit import Example

    return [
        example
        for n in range(many)
        for example in (Example(f"t{n}", "a", right, True), Example(f"t{n}", "b", wrong, False))
    ]


def test_priors_give_way_as_issues_come():
    pytest.importorskip("sklearn")
    from winnow.select_fit import fit

    prior = DEFAULT.features["judge"].weight
    judged = [fit(examples(n, {"judge": 0.4}, {"judge": -0.4}), DEFAULT) for n in (5, 15, 60)]
    weights = [fitted.features["judge"].weight for fitted in judged]
    assert prior < weights[0] < 2.2 * prior and weights == sorted(weights) and weights[-1] > 3 * prior
    assert all(fitted.features["matches"].weight == DEFAULT.features["matches"].weight for fitted in judged)


def test_what_tells_easy_issues_from_hard_ones_is_not_taken_for_what_tells_right_from_wrong():
    """Patches are small where nearly all are right and large where nearly all are wrong; of one issue's the larger."""
    pytest.importorskip("sklearn")
    from winnow.select_fit import Example, fit

    found = []
    for n in range(30):
        easy, larger = n % 2 == 0, {"patch": -0.1 if n % 2 == 0 else -0.8}
        smaller = {"patch": 0.0 if easy else -0.7}
        found += [Example(f"t{n:02}", "a", larger, True), Example(f"t{n:02}", "b", smaller, False)]
        found += [Example(f"t{n:02}", f"c{i}", larger, easy) for i in range(8)]
    found += examples(8, {"judge": 0.5}, {"judge": -0.5})
    fitted = fit(found, DEFAULT)
    assert fitted.features["patch"].weight < DEFAULT.features["patch"].weight
    assert fitted.features["judge"].weight > DEFAULT.features["judge"].weight


def test_where_nothing_said_tells_right_from_wrong_every_choice_is_as_sure_as_all():
    pytest.importorskip("sklearn")
    from winnow.select_fit import Example, fit

    found = []
    for n in range(20):
        values = {"judge": 0.5 if n % 4 else 0.9, "matches": 0.1}
        found.append(Example(f"t{n:02}", "a", values, bool(n % 4)))
        found.append(Example(f"t{n:02}", "b", {"judge": -0.5, "matches": 0.0}, not n % 4))
    fitted = fit(found, DEFAULT)
    assert fitted.slope == 0.0 and fitted.probability(-3) == fitted.probability(3) == pytest.approx(
        2 / 3,
        abs=0.02,  # of 15 in 20, and of the priors' 3.2 in 8
    )
    assert fitted.fit["Brier score held out"] < 0.25


def test_without_scikit_learn_a_sentence_says_what_to_install(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    done = CliRunner().invoke(
        app, ["select", RUN, "--fit", "--out", str(tmp_path / "w"), "--store", str(file)]
    )
    assert "pip install 'winnow[fit]'" in str(done.exception)


def test_weights_are_read_as_they_were_written(tmp_path):
    from selection import write_weights

    write_weights(DEFAULT, tmp_path / "w.json")
    assert read_weights(tmp_path / "w.json") == DEFAULT
