"""Which tests count, which patches are one, and the rule for what is worth choosing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import Candidate, Run, Script
from selection import UNFIXED, Evidence, Regression, Test, counting, distinct, votes_of, worth

TEST = Test("test-1", Script("python3", "..."))
GOOD = Evidence(
    candidates=(Candidate("a", "+x"),),
    tests=(TEST,),
    applies={"a": True},
    cells={(UNFIXED, "test-1"): Run(2, ""), ("a", "test-1"): Run(0, "")},
    regressions={"a": Regression(passed=7, known=7)},
)


def judged(evidence: Evidence = GOOD) -> tuple[bool, str]:
    good, reasons = worth(evidence.candidates[0], evidence)
    return good, "; ".join(reasons)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Run(2, ""), ""),
        (Run(0, ""), "passes on the unfixed code"),
        (Run(1, ""), "exits 1 on the unfixed code, where 2 says that the issue is present"),
        (Run(2, "", "timeout"), "does not end in time on the unfixed code"),
        (Run(137, "", "killed"), "ends its sandbox on the unfixed code"),
        (Run(2, "", "memory"), "uses more memory than it may on the unfixed code"),
        (Run(137, "", "disk"), "writes more to the disk than it may on the unfixed code"),
        (None, "was not run on the unfixed code"),
    ],
)
def test_only_a_test_that_fails_on_the_unfixed_code_counts(run, reason):
    cells = {("a", "test-1"): Run(0, "")} | ({(UNFIXED, "test-1"): run} if run else {})
    evidence = replace(GOOD, cells=cells)
    tests, silent = counting(evidence)
    assert silent == ({"test-1": reason} if reason else {})
    assert bool(tests) == (not reason)
    assert votes_of("a", evidence) == (0 if reason else 1)


@pytest.mark.parametrize(
    "run",
    [Run(2, ""), Run(1, ""), *(Run(0, "", how) for how in ("timeout", "killed", "memory", "disk")), None],
)
def test_only_an_exit_with_0_is_a_vote(run):
    cells = {(UNFIXED, "test-1"): Run(2, "")} | ({("a", "test-1"): run} if run else {})
    assert votes_of("a", replace(GOOD, cells=cells)) == 0


def test_a_good_candidate():
    assert judged() == (
        True,
        "passes 1 of 1 generated tests that fail on the unfixed code; breaks none of 7 existing tests",
    )


@pytest.mark.parametrize("patch", ["", "\n", "  \n\n"])
def test_empty_is_not_worth_choosing(patch):
    assert judged(replace(GOOD, candidates=(Candidate("a", patch),))) == (False, "the patch is empty")


def test_a_patch_must_be_known_to_apply():
    assert judged(replace(GOOD, applies={"a": False})) == (False, "the patch does not apply")
    assert judged(replace(GOOD, applies={})) == (False, "not known whether it applies")


def test_a_generated_test_must_pass_where_there_is_one():
    failing = replace(GOOD, cells={**GOOD.cells, ("a", "test-1"): Run(2, "")})
    assert judged(failing)[0] is False
    missing = replace(GOOD, cells={(UNFIXED, "test-1"): Run(2, "")})
    assert judged(missing)[0] is False and "(1 not run on it)" in judged(missing)[1]
    none = replace(GOOD, tests=())
    assert judged(none)[0] is True and "there is no generated test" in judged(none)[1]
    silent = replace(GOOD, cells={(UNFIXED, "test-1"): Run(0, "")})
    assert judged(silent)[0] is True and "no generated test fails on the unfixed code" in judged(silent)[1]


def test_existing_tests_that_passed_must_pass():
    broken = Regression(("t::a", "t::b", "t::c", "t::d"), passed=3, known=7, touched=("t::a",))
    good, why = judged(replace(GOOD, regressions={"a": broken}))
    assert not good
    assert why.endswith(
        "breaks 4 of 7 existing tests: t::a, t::b, t::c and 1 more; it changes the files of 1 of them itself"
    )


def test_nothing_to_compare_with_is_said_and_does_not_count_against_it_but_missing_does():
    nothing = replace(GOOD, regressions={"a": Regression(error="no test command is known")})
    assert (
        judged(nothing)[0] is True
        and "existing tests say nothing: no test command is known" in judged(nothing)[1]
    )
    assert judged(replace(GOOD, regressions={}))[0] is False


def diff(names: str = "index 1..2 100644", title: str = " def f():", line: str = "+b") -> str:
    return f"diff --git a/f b/f\n{names}\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@{title}\n a\n-x\n{line}\n"


def groups(*patches: str) -> list[list[str]]:
    found = distinct(Candidate(f"attempt-{i}", patch) for i, patch in enumerate(patches, 9))
    return [[candidate.id for candidate in group] for group in found]


def test_patches_are_the_same_whatever_blob_names_and_hunk_titles():
    assert groups(diff(), diff("index 1..222 100755"), diff(title=""), diff().strip()) == [
        ["attempt-9", "attempt-10", "attempt-11", "attempt-12"]
    ]


@pytest.mark.parametrize(
    "other", [diff(line="+ b"), diff(line="+b "), diff(line="+b\r"), diff().replace("-1,2", "-2,2")]
)
def test_patches_that_differ_in_blanks_or_place_are_not_the_same(other):
    assert groups(diff(), other) == [["attempt-9"], ["attempt-10"]]


def test_an_added_line_that_looks_like_a_blob_name_is_kept():
    assert len(groups(diff(line="+index 1"), diff(line="+index 2"))) == 2
