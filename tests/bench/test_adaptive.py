"""The simulation of `--attempts auto`: on streams of which the right figures are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from agent.ways.stopping import AutoSettings
from bench.adaptive import SETTINGS, Issue, draw, read_issues, simulate, stopped_at

ROOT = Path(__file__).parents[2]
SAME = Issue("same", (0,) * 6, (True,) * 6)
ALL_WRONG = Issue("wrong", tuple(range(6)), (False,) * 6)
ONE_OF_TEN = Issue("rare", tuple(range(10)), (True, *(False,) * 9))


def row(rows, setting="default"):
    return next(row for row in rows if row.setting == setting)


def test_where_all_agree_the_rule_for_agreement_stops_after_four():
    found = row(simulate([SAME, ALL_WRONG], {"a": SETTINGS["agreement alone"]}, 0.5, 20), "a")
    stream = draw(SAME, 10, 0.5, 0.5, Random(1))
    assert stopped_at(stream, SETTINGS["agreement alone"]) == 5  # 3, then 5: three are not sure enough
    assert stopped_at(stream, AutoSettings(least=4, gain=0)) == 4
    assert found.resolved.value == found.most.value == 0.5 and found.kept.value == 0


def test_perfect_evidence_finds_what_is_there_and_none_finds_what_chance_does():
    most = {"all": AutoSettings(least=10)}
    perfect = row(simulate([SAME, ONE_OF_TEN, ALL_WRONG], most, 0.9999, 300), "all")
    # One in ten is in ten draws with replacement with probability 1 - 0.9^10.
    assert perfect.most.value == pytest.approx((1 + 1 - 0.9**10) / 3, abs=0.03)
    assert (perfect.attempts.value, perfect.saved.value, perfect.kept.value) == (10, 0, 0)
    none = row(simulate([SAME, ONE_OF_TEN, ALL_WRONG], most, 0.5, 300), "all")
    assert none.most.value == pytest.approx((1 + 0.1) / 3, abs=0.04)


def test_figures_are_the_same_each_time_and_better_evidence_saves_more():
    issues = [SAME, ONE_OF_TEN, ALL_WRONG]
    settings = {"gain": SETTINGS["gain alone"]}
    weak, again, strong = (simulate(issues, settings, quality, 60) for quality in (0.6, 0.6, 0.95))
    assert weak == again
    assert row(strong, "gain").resolved.value > row(weak, "gain").resolved.value
    for found in (*weak, *strong):
        assert found.attempts.low <= found.attempts.value <= found.attempts.high
        assert found.kept.value == pytest.approx(found.resolved.value - found.most.value)


def test_outcomes_that_are_all_alike_are_refused():
    with pytest.raises(ValueError, match="both"):
        simulate([SAME], SETTINGS, 0.5, 1)


def patch(text: str, index: str) -> str:
    return f"diff --git a/x b/x\nindex {index}\n--- a/x\n+++ b/x\n@@ -1 +1 @@ def f():\n-a\n+{text}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"instance_id": "a", "model_patch": patch("b", "1..2"), "resolved": False, "resolved_here": True},
        {"instance_id": "a", "model_patch": patch("b", "3..4"), "resolved": True, "resolved_here": None},
        {"instance_id": "a", "model_patch": patch("c", "1..2"), "resolved": False, "resolved_here": None},
        {"instance_id": "a", "model_patch": patch("d", "1..2"), "resolved": None, "resolved_here": None},
        {"instance_id": "alone", "model_patch": patch("c", "1..2"), "resolved": False, "resolved_here": None},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_same_patch_is_one_answer_and_what_was_graded_here_counts_most(file):
    [issue] = read_issues(file)
    assert issue.name == "a" and issue.right == (True, True, False)
    assert issue.answers[0] == issue.answers[1] != issue.answers[2]


def test_the_command_prints_a_row_for_each_rule(file):
    words = [sys.executable, "-m", "bench.adaptive", str(file), "--streams", "5", "--quality", "0.7"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| 0.7 |") == len(SETTINGS) and "1 issues, 5 streams" in done.stdout
    rows = json.loads(subprocess.run([*words, "--json"], cwd=ROOT, capture_output=True, text=True).stdout)
    assert {row["setting"] for row in rows} == set(SETTINGS)
