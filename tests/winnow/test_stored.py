"""Evidence in the store: every kind comes back as it was, and what older versions stored is still read."""

from __future__ import annotations

import json

from agent import Candidate, Run, Script
from selection import (
    UNFIXED,
    Cases,
    Effort,
    Evidence,
    Existing,
    Judgement,
    MachineChoice,
    Match,
    PatchFacts,
    Ranked,
    Ranking,
    Regression,
    Reproduction,
    Signals,
    Summary,
    Test,
)
from winnow.stored import evidence_from_json, evidence_to_json, ranking_from_json, to_json

FULL = Evidence(
    candidates=(Candidate("attempt-1", "a patch", Script("sh", "exit 2"), Run(2, "")), Candidate("o/x 2", "")),
    tests=(Test("test-1", Script("sh", "exit 2")), Test("extra-1", Script("sh", "exit 0"), "distinguishing")),
    applies={"attempt-1": True, "o/x 2": False},
    cells={(UNFIXED, "test-1"): Run(2, "out\n", reused=True), ("attempt-1", "test-1"): Run(0, "", "timeout")},
    regressions={"attempt-1": Regression(("t::a",), 1, 2, "", ("t::a",))},
    machine=MachineChoice("attempt-1", "why", ("attempt-1", "o/x 2")),
    repeats={(UNFIXED, "test-1"): (Run(2, ""), Run(1, "", "memory"))},
    existing=Existing(
        "by name", ("t.py",), {"t::a": "passed", "t::b": "failed"}, ("t::c",), {"attempt-1": {"t::a": "failed"}}
    ),
    reproductions=(
        Reproduction("cases-1", Script("sh", ""), {UNFIXED: Cases({"one": "reproduced"}), "a": Cases(error="x")}),
    ),
    judgements={"attempt-1": Judgement(0.25, "samples", 4)},
    matches=(Match("attempt-1", "o/x 2", None, 2, "both"),),
    summaries={"attempt-1": Summary("h", "p", "f", "d")},
    selectors=(MachineChoice(None, "none", ()),),
    signals={"attempt-1": Signals("finished", 3, "not sure", ("network",))},
    facts={"attempt-1": PatchFacts(1, 2, ("a.py",), (), "abc")},
    gaps={"judge": "no model"},
    effort={"matrix": Effort(calls=1, executions=3, tokens=9, cost=0.5)},
)  # fmt: skip


def test_every_kind_of_evidence_comes_back_as_it_was():
    found = evidence_from_json(evidence_to_json(FULL))
    assert found == FULL
    assert found.cells[UNFIXED, "test-1"].reused
    assert evidence_from_json(evidence_to_json(Evidence(()))) == Evidence(())


def test_evidence_of_before_there_were_all_kinds_is_read_and_the_rest_is_missing():
    old = json.dumps(
        {
            "candidates": [{"id": "attempt-1", "patch": "p", "test": None, "test_before": None, "ending": "finished",
                            "detail": "", "calls": 3}],
            "tests": [{"id": "test-1", "script": {"interpreter": "sh", "text": "exit 2"}}],
            "applies": {"attempt-1": True},
            "cells": [["unfixed", "test-1", {"exit_code": 2, "output": "", "ended": "exited", "reused": False}]],
            "regressions": {"attempt-1": {"broken": [], "passed": 4, "known": 4, "error": "", "touched": []}},
            "machine": None,
        }
    )  # fmt: skip
    found = evidence_from_json(old)
    assert found == Evidence(
        (Candidate("attempt-1", "p", calls=3),),
        (Test("test-1", Script("sh", "exit 2")),),
        {"attempt-1": True},
        {(UNFIXED, "test-1"): Run(2, "")},
        {"attempt-1": Regression(passed=4, known=4)},
    )
    assert evidence_from_json(evidence_to_json(found)) == found


def test_a_ranking_of_before_it_said_how_sure_it_is():
    ranking = ranking_from_json('{"order": [], "chosen": null, "why": "none"}')
    assert ranking == Ranking((), None, "none")
    new = Ranking((Ranked("a", 1, True, ("x",)),), "a", "y", ("no judge",), 0.5)
    assert ranking_from_json(to_json(new)) == new


def test_an_existing_tests_outcome_is_the_unfixed_codes_unless_it_is_said():
    existing = FULL.existing
    assert existing.outcome("attempt-1", "t::a") == "failed"
    assert existing.outcome("attempt-1", "t::b") == "failed"
    assert existing.outcome("o/x 2", "t::b") is None
    assert existing.outcome("attempt-1", "t::z") is None
