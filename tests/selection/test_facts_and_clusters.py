"""What a patch is, which candidates are one answer, and what a generated test can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import Candidate, Run, Script
from environments import Recipe, Task, diff, freeze
from selection import (
    UNFIXED,
    Cases,
    Evidence,
    Existing,
    PatchFacts,
    Regression,
    Reproduction,
    Test,
    behaviour_clusters,
    check_applies,
    cluster_of,
    patch_facts,
    qualities,
    same_program,
)

CODE = '''\
"""Sums."""


def total(a, b):
    """Add."""
    # the sum
    return a - b
'''
FILES = {"sums.py": CODE, "notes.txt": "a\n b\n", "tests/test_sums.py": "def test_total():\n    pass\n"}


@pytest.fixture(scope="module")
def sums(tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("sums")
    for path, text in FILES.items():
        place = folder / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    snapshot = freeze(folder / "source", folder / "frozen", at="/workspace/sums")
    return Task("sums-1", "total is wrong", snapshot, Recipe())


def facts_of(task: Task, changed: dict[str, str | None]) -> PatchFacts:
    candidate = Candidate("a", diff(task.snapshot.tree, changed))
    return patch_facts(task, [candidate], check_applies(task, [candidate]))["a"]


def normal(task: Task, changed: dict[str, str | None]) -> str:
    return facts_of(task, changed).normal


FIXED = CODE.replace("a - b", "a + b")


def test_size_files_and_tests(sums):
    facts = facts_of(sums, {"sums.py": FIXED, "tests/test_sums.py": None, "-- a.txt": "--- x\n+++ y\n"})
    assert (facts.added, facts.removed) == (3, 3)
    assert facts.files == ("-- a.txt", "sums.py", "tests/test_sums.py")
    assert facts.tests == ("tests/test_sums.py",)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (FIXED.replace("# the sum", "# another word"), True),
        (FIXED.replace('    """Add."""\n', ""), True),
        (FIXED.replace("a + b", "(a +\n        b)"), True),
        (FIXED.replace("a + b", "b + a"), False),
        (FIXED.replace("    return", "    if a:\n        return"), False),
    ],
)
def test_comments_docstrings_and_layout_are_no_difference(sums, text, same):
    assert (normal(sums, {"sums.py": text}) == normal(sums, {"sums.py": FIXED})) == same


def test_indentation_is_a_difference_wherever_it_stands(sums):
    one = "def f():\n    for x in y:\n        a()\n        b()\n"
    other = "def f():\n    for x in y:\n        a()\n    b()\n"
    assert normal(sums, {"new.py": one}) != normal(sums, {"new.py": other})
    assert normal(sums, {"notes.txt": "a\nb\n"}) != normal(sums, {"notes.txt": "a\n  b\n"})


def test_a_file_that_only_changes_its_words_does_not_count(sums):
    commented = {"tests/test_sums.py": FILES["tests/test_sums.py"] + "# a remark\n"}
    assert normal(sums, {"sums.py": FIXED, **commented}) == normal(sums, {"sums.py": FIXED})
    assert normal(sums, commented) != ""


@pytest.mark.parametrize(
    "odd", ["print 'two'\n", "x = '\\d'\n", "\0", "(" * 3000 + ")" * 3000, "\ufeffx = 1\n"]
)
def test_python_that_does_not_parse_counts_as_it_is(sums, odd):
    assert normal(sums, {"new.py": odd}) != normal(sums, {"new.py": odd + "y = 2\n"})


def test_of_a_patch_that_does_not_apply_the_text_is_read(sums):
    wrong = diff(sums.snapshot.tree, {"sums.py": FIXED}).replace("a - b", "a * b")
    found = patch_facts(sums, [Candidate("a", wrong), Candidate("b", "")], {"a": None, "b": {}})
    assert found["a"] == PatchFacts(1, 1, ("sums.py",), ())
    assert found["b"] == PatchFacts()


# Clusters -------------------------------------------------------------------------------------------------------------

TESTS = tuple(Test(f"test-{i}", Script("sh", str(i))) for i in (1, 2))


def evidence(outputs: dict[str, tuple[str, ...]], normals: dict[str, str] | None = None) -> Evidence:
    """Candidates by what each prints in the tests; it passes where that is "ok"."""
    cells = {(UNFIXED, test.id): Run(2, "bad") for test in TESTS}
    for name, said in outputs.items():
        cells |= {
            (name, t.id): Run(0 if text == "ok" else 2, text) for t, text in zip(TESTS, said, strict=False)
        }
    return Evidence(
        candidates=tuple(Candidate(name, f"patch of {name}") for name in outputs),
        tests=TESTS,
        applies=dict.fromkeys(outputs, True),
        cells=cells,
        facts={name: PatchFacts(normal=value) for name, value in (normals or {}).items()},
    )


def test_the_same_outcomes_and_outputs_are_one_cluster():
    found = evidence({"a-10": ("ok", "x"), "a-2": ("ok", "x"), "a-3": ("ok", "y"), "a-4": ("ok", "ok")})
    assert behaviour_clusters(found) == (("a-2", "a-10"), ("a-3",), ("a-4",))
    assert cluster_of("a-10", behaviour_clusters(found)) == ("a-2", "a-10")
    assert cluster_of("nobody", behaviour_clusters(found)) == ()


def test_missing_evidence_is_no_agreement():
    found = evidence({"a": (), "b": (), "c": ("ok",), "d": ("ok",)})
    assert behaviour_clusters(found) == (("a",), ("b",), ("c",), ("d",))
    assert behaviour_clusters(replace(found, tests=(), cells={})) == (("a",), ("b",), ("c",), ("d",))


def test_the_same_program_needs_no_run_of_its_own():
    found = evidence({"a": ("ok", "x"), "b": (), "c": ()}, {"a": "n", "b": "n", "c": "m"})
    assert same_program(found) == (("a", "b"), ("c",))
    assert behaviour_clusters(found) == (("a", "b"), ("c",))


def test_the_same_program_that_behaves_otherwise_is_not_the_same():
    found = evidence({"a": ("ok", "x"), "b": ("ok", "y")}, {"a": "n", "b": "n"})
    assert behaviour_clusters(found) == (("a",), ("b",))


def test_who_changes_nothing_or_does_not_apply_is_left_out():
    found = evidence({"a": ("ok", "ok"), "b": ("ok", "ok"), "c": ("ok", "ok")})
    found = replace(found, applies={"a": True, "b": False}, candidates=found.candidates)
    assert behaviour_clusters(found) == (("a",),)
    empty = replace(found, candidates=(Candidate("a", " \n"),))
    assert behaviour_clusters(empty) == same_program(empty) == ()


def test_flaky_tests_do_not_part_candidates():
    found = evidence({"a": ("ok", "x"), "b": ("ok", "y")})
    assert behaviour_clusters(found) == (("a",), ("b",))
    repeated = replace(found, repeats={("a", "test-2"): (Run(2, "z"),)})
    assert behaviour_clusters(repeated) == (("a", "b"),)


def test_existing_tests_and_reproduction_cases_part_candidates():
    found = evidence({"a": ("ok", "x"), "b": ("ok", "x"), "c": ("ok", "x")})
    by_old = replace(
        found, regressions={"a": Regression(), "b": Regression(broken=("t",)), "c": Regression()}
    )
    assert behaviour_clusters(by_old) == (("a", "c"), ("b",))
    unfixed = {"t": "passed", "u": "passed"}
    existing = Existing(
        unfixed=unfixed, flaky=("u",), differs={"a": {"u": "failed"}, "b": {}, "c": {"t": "failed"}}
    )
    assert behaviour_clusters(replace(found, existing=existing)) == (("a", "b"), ("c",))
    runs = {"a": Cases({"x": "resolved"}), "b": Cases({"x": "other"}), "c": Cases({"x": "resolved"})}
    by_cases = replace(found, reproductions=(Reproduction("cases-1", Script("sh", ""), runs),))
    assert behaviour_clusters(by_cases) == (("a", "c"), ("b",))


@given(st.permutations(["a", "b", "c", "d"]), st.lists(st.sampled_from(["ok", "x"]), min_size=8, max_size=8))
def test_clusters_are_a_partition_whatever_the_order(order, said):
    outputs = {name: tuple(said[2 * i : 2 * i + 2]) for i, name in enumerate("abcd")}
    found = evidence({name: outputs[name] for name in order})
    groups = behaviour_clusters(found)
    assert sorted(name for group in groups for name in group) == list("abcd")
    assert groups == behaviour_clusters(evidence(outputs))


# Quality --------------------------------------------------------------------------------------------------------------


def quality(found: Evidence, test: str = "test-1"):
    return qualities(found)[test]


def test_a_test_that_parts_candidates_weighs_most():
    half = quality(evidence({"a": ("ok",), "b": ("x",)}))
    assert (half.counts, half.weight, half.passed, half.of) == (True, 1.0, 1, 2)
    assert half.reason.startswith("1 of 2 different patches pass it; run once")
    quarter = quality(evidence({"a": ("ok",), "b": ("x",), "c": ("x",), "d": ("x",)}))
    assert 0.8 < quarter.weight < 0.82
    for alike in ("ok", "x"):
        same = quality(evidence({"a": (alike,), "b": (alike,)}))
        assert same.counts and same.weight == 0 and "nothing between them" in same.reason


def test_copies_of_one_patch_do_not_change_what_a_test_weighs():
    alone = evidence({"a": ("ok",), "b": ("x",)}, {"a": "n", "b": "m"})
    copied = evidence({"a": ("ok",), "b": ("x",), "c": ("x",)}, {"a": "n", "b": "m", "c": "m"})
    assert quality(alone) == quality(copied)


def test_what_does_not_fail_on_the_unfixed_code_says_nothing():
    found = evidence({"a": ("ok",), "b": ("x",)})
    found = replace(found, cells={**found.cells, (UNFIXED, "test-1"): Run(0, "")})
    assert quality(found).reason == "passes on the unfixed code" and not quality(found).counts


def test_repeats_say_whether_it_is_steady():
    found = evidence({"a": ("ok",), "b": ("x",)})
    steady = replace(found, repeats={(UNFIXED, "test-1"): (Run(2, "other words"),)})
    assert quality(steady).steady is True and quality(steady).counts
    flaky = replace(found, repeats={("b", "test-1"): (Run(2, "x"), Run(0, ""))})
    assert quality(flaky).reason == "not deterministic: its repeats differ on b"
    assert quality(flaky).weight == 0 and not quality(flaky).counts


@pytest.mark.parametrize(
    "words",
    ["ImportError: cannot import name 'sun'", "ModuleNotFoundError: x", "Error: Cannot find module 'y'"],
)
def test_an_import_that_only_one_author_knows_is_not_the_issue(words):
    found = evidence({"a": ("ok",), "b": ("x",)})
    found = replace(found, cells={**found.cells, (UNFIXED, "test-1"): Run(2, words)})
    assert not quality(found).counts and "only by an import" in quality(found).reason
    agreed = replace(
        found,
        candidates=(*found.candidates, Candidate("c", "another")),
        applies={**found.applies, "c": True},
        cells={**found.cells, ("c", "test-1"): Run(0, "")},
    )
    assert quality(agreed).counts and quality(agreed).weight > 0.9
