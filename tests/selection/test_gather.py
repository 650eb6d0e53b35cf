"""All the evidence on one task, in real sandboxes, and the choice it leads to."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError
from waiting import PATIENCE

from agent import Candidate, Run
from selection import (
    UNFIXED,
    Evidence,
    Regression,
    SelectionSettings,
    Test,
    codemonkeys,
    gather_evidence,
    generated_tests,
)
from selection.gather import example_of
from selection.material import labelled

SETTINGS = SelectionSettings(script_timeout=PATIENCE, parallel=2)
in_session = pytest.mark.asyncio(loop_scope="session")
APART = '<<<<< TEST\n#!/bin/sh\n[ "$(sh total.sh 7 8)" = 15 ] || exit 2\n>>>>> END'


@pytest.fixture
def pool(candidate, totals):
    small, large = totals.total_is(1, 2, 3), totals.total_is(40, 50, 90)
    return [
        candidate("attempt-1", {"total.sh": totals.RIGHT.replace("adds two", "adds up two")}, small),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE}, small),
        candidate("attempt-3", {"total.sh": totals.RIGHT}, totals.script("exit 0")),
        candidate("attempt-4", {"total.sh": totals.RIGHT}, large),
        candidate("attempt-5", {}, small),
        Candidate("attempt-6", "--- a/none\n+++ b/none\n@@ -1 +1 @@\n-x\n+y\n"),
    ]


@pytest.mark.overlay
@in_session
async def test_from_candidates_to_one_patch(task, base, pool, replies):
    shortlist = [pool[0], pool[2]]
    label = next(k for k, v in labelled(shortlist).items() if v.id == "attempt-1")
    told = replies([APART, f"<<<<< WINNER\n{label}\nIts comment is better.\n>>>>> END"])
    stages = []
    evidence = await gather_evidence(
        told.model, base, task, pool, SETTINGS, progress=lambda *said: stages.append(said)
    )
    assert evidence.applies == {f"attempt-{i}": i != 6 for i in range(1, 7)}
    assert [test.id for test in evidence.tests] == ["test-1", "test-3", "test-4"]
    assert {k: r.exit_code for k, r in evidence.cells.items() if k[1] != "test-3"} == {
        (UNFIXED, "test-1"): 2,
        (UNFIXED, "test-4"): 2,
        ("attempt-1", "test-1"): 0,
        ("attempt-1", "test-4"): 0,
        ("attempt-2", "test-1"): 0,
        ("attempt-2", "test-4"): 2,
        ("attempt-3", "test-1"): 0,
        ("attempt-3", "test-4"): 0,
        ("attempt-4", "test-1"): 0,
        ("attempt-4", "test-4"): 0,
    }
    assert evidence.regressions["attempt-1"] == Regression(passed=2, known=2)
    assert len(evidence.regressions["attempt-2"].broken) == 2 and "attempt-6" not in evidence.regressions
    assert evidence.machine is not None and set(evidence.machine.shown) == {"attempt-1", "attempt-3"}
    ranking = codemonkeys(evidence)
    assert [ranked.candidate for ranked in ranking.order] == [f"attempt-{i}" for i in (1, 3, 4, 2, 6, 5)]
    assert ranking.chosen == "attempt-1"
    assert ranking.why == (
        "attempt-1: passes 2 of 2 generated tests that fail on the unfixed code; breaks none of 2 existing tests. "
        "The selection machine preferred it to attempt-3: Its comment is better."
    )
    # Three distinct tests on three distinct changes and the unfixed code; two runs before, three after.
    assert [said for said in stages if said[0] == "matrix"][-1] == ("matrix", 12, 12)
    assert [said for said in stages if said[0] == "existing tests"][-1] == ("existing tests", 5, 5)


@pytest.mark.overlay
@in_session
async def test_the_same_evidence_whatever_the_order_of_candidates(task, base, pool, replies):
    off = SETTINGS.model_copy(update={"machine": "off"})
    forward = await gather_evidence(replies([]).model, base, task, pool, off)
    base.book["copies"].clear()
    backward = await gather_evidence(replies([]).model, base, task, pool[::-1], off)
    assert (forward.tests, forward.cells, forward.regressions) == (
        backward.tests,
        backward.cells,
        backward.regressions,
    )
    assert codemonkeys(forward) == codemonkeys(backward)


@pytest.mark.overlay
@in_session
@pytest.mark.parametrize("off", [{"machine": "off"}, {"strategy": "most-votes"}])
async def test_no_machine_no_call_and_no_existing_tests_no_run(task, base, pool, replies, off):
    settings = SelectionSettings(**off, regressions=False, script_timeout=PATIENCE)
    told = replies([])
    evidence = await gather_evidence(told.model, base, task, pool, settings)
    assert evidence.machine is None and told.asked == []
    assert not [name for name in base.book["copies"] if name.startswith("regression")]
    assert evidence.regressions["attempt-2"].error == "they were not run, by the settings"
    assert codemonkeys(evidence).chosen == "attempt-3"


@pytest.mark.overlay
@in_session
async def test_the_judge_without_tests(task, base, pool, replies):
    settings = SETTINGS.model_copy(update={"machine": "once", "regressions": False})
    told = replies(["<<<<< WINNER\nnone\nAll alike.\n>>>>> END"])
    evidence = await gather_evidence(told.model, base, task, pool, settings)
    assert [at for at, _ in told.asked] == ["judge"]
    assert evidence.machine.reason == "All alike." and len(evidence.machine.shown) == 3


@pytest.mark.overlay
@in_session
async def test_nobody_at_all(task, base, replies):
    evidence = await gather_evidence(replies([]).model, base, task, [], SETTINGS)
    assert codemonkeys(evidence).chosen is None and base.book["copies"] == []


async def test_names_must_tell_candidates_apart(task, replies):
    model = replies([]).model
    with pytest.raises(ValueError, match="two candidates are called 'a'"):
        await gather_evidence(model, None, task, [Candidate("a", ""), Candidate("a", "x")], SETTINGS)
    with pytest.raises(ValueError, match="is the name of the original code"):
        await gather_evidence(model, None, task, [Candidate(UNFIXED, "")], SETTINGS)


def test_tests_are_named_after_who_wrote_them_first(totals):
    one, two = totals.script("exit 2"), totals.script("exit 0")
    candidates = [
        Candidate("attempt-10", "", one),
        Candidate("attempt-9", "", one),
        Candidate("attempt-2", "", two),
    ]
    assert generated_tests(candidates) == (Test("test-2", two), Test("test-9", one))
    foreign = [Candidate("attempt-1", "", one), Candidate("system/1", "", two)]
    assert [test.id for test in generated_tests(foreign)] == ["test-attempt-1", "test-system/1"]


def test_the_example_is_a_test_that_counts_and_that_most_pass(totals):
    tests = tuple(Test(f"test-{i}", totals.script(f"exit {i}")) for i in (1, 2, 3))
    cells = {
        (UNFIXED, "test-1"): Run(0, ""),
        (UNFIXED, "test-2"): Run(2, ""),
        (UNFIXED, "test-3"): Run(2, ""),
    }
    cells |= {("a", "test-1"): Run(0, ""), ("a", "test-2"): Run(1, ""), ("a", "test-3"): Run(0, "")}
    assert example_of(Evidence((), tests, cells=cells), ["a"]).id == "test-3"
    assert example_of(Evidence((), tests, cells=cells), []).id == "test-2"
    assert example_of(Evidence((), tests), ["a"]) is None
    # Whoever writes those has seen the patches.
    told_apart = tuple(replace(test, origin="distinguishing") for test in tests)
    assert example_of(Evidence((), told_apart, cells=cells), ["a"]) is None


@pytest.mark.parametrize(
    "wrong", [{"strategi": "x"}, {"strategy": "best"}, {"keep": 0}, {"keep": 27}, {"calls": 0}]
)
def test_settings_refuse_what_they_do_not_know(wrong):
    with pytest.raises(ValidationError):
        SelectionSettings(**wrong)


def test_the_door_loads_nothing_heavy_and_every_name_is_there():
    code = (
        "import sys, selection; heavy = {'jinja2', 'pydantic', 'sqlalchemy', 'openai', 'docker'} & set(sys.modules); "
        "assert not heavy, heavy; [getattr(selection, name) for name in selection.__all__]; "
        "import types; assert not [n for n in selection.__all__ if isinstance(getattr(selection, n), types.ModuleType)]"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""
