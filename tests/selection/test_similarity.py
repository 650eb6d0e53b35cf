"""The strategy `similarity`: what was run first; the patch most like the others only where nothing could be run."""

from __future__ import annotations

from dataclasses import replace

from agent import Candidate, Script
from selection import UNFIXED, Cases, Evidence, Judgement, PatchFacts, Regression, Reproduction, strategy

LINES = {"a": "value = one", "b": "value = left + right", "c": "value = left or right", "d": "value = left"}


def patch_of(line: str) -> str:
    return f"diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-old = 1\n+{line}\n"


def found(outcome_on_unfixed: str = "", resolved_by: str = "") -> Evidence:
    """Four patches of which b is most like the others; with a file of cases, where one is asked for."""
    evidence = Evidence(
        tuple(Candidate(name, patch_of(line)) for name, line in LINES.items()),
        applies=dict.fromkeys(LINES, True),
        regressions=dict.fromkeys(LINES, Regression((), 9, 9)),
        judgements={name: Judgement(0.9 if name == "a" else 0.1, "samples", 5) for name in LINES},
        facts={name: PatchFacts(1, 1, ("m.py",), (), name) for name in LINES},
    )
    if not outcome_on_unfixed:
        return evidence
    runs = {name: Cases({"1": "resolved" if name in resolved_by else "reproduced"}) for name in LINES}
    runs[UNFIXED] = Cases({"1": outcome_on_unfixed})
    return replace(evidence, reproductions=(Reproduction("cases-1", Script("sh", ""), runs),))


def test_where_a_case_is_valid_likeness_is_not_looked_at():
    ranking = strategy("similarity")(found("reproduced", "d"))
    assert ranking.chosen == "d" and "resolves 1 of 1" in ranking.why and "like the" not in ranking.why


def test_where_none_is_the_patch_most_like_the_others_stands_first():
    """A case that does not show the issue on the unfixed code says as little as none."""
    for evidence in (found(), found("resolved", "a"), found("other", "a")):
        ranking = strategy("similarity")(evidence)
        assert ranking.chosen == "b" and "like the 3 others on the mean" in ranking.why


def test_existing_tests_come_before_and_the_judge_after():
    broken = replace(found(), regressions={**found().regressions, "b": Regression(("t",), 8, 9)})
    assert strategy("similarity")(broken).chosen in ("c", "d")
    assert strategy("similarity")(found("reproduced", "ad")).chosen == "a"
