"""How alike patches are, and what `winnow` makes of it."""

from __future__ import annotations

import pytest

from agent import Candidate
from selection import Evidence, PatchFacts, Regression, features_of, strategy
from selection.changed_lines import changed_lines
from selection.likeness import changed_words, likeness


def patch_of(line: str, path: str = "m.py", more: str = "") -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@ def f():\n-old = 1\n+{line}\n{more}"


def made(patches: dict[str, str], broken: tuple[str, ...] = (), tests: tuple[str, ...] = ()) -> Evidence:
    return Evidence(
        tuple(Candidate(name, patch) for name, patch in patches.items()),
        applies=dict.fromkeys(patches, True),
        regressions={n: Regression(("t",) if n in broken else (), 8, 9) for n in patches},
        facts={name: PatchFacts(1, 1, ("m.py", *tests), tests, patch) for name, patch in patches.items()},
    )


def test_a_patchs_lines_are_those_of_its_hunks():
    text = "diff --git a/x b/y z\n--- a/x\n+++ b/y z\n@@ -1,2 +1,2 @@ class X:\n same\n--- gone\n+++ new\n-- no line\n"
    assert list(changed_lines(text)) == [("y z", "", ""), ("y z", "-", "-- gone"), ("y z", "+", "++ new")]
    assert list(changed_lines("no patch at all\n+x")) == []


def test_alike_is_what_changes_the_same_words_of_the_same_file():
    words = lambda *patch: changed_words(patch_of(*patch))  # noqa: E731
    assert words("a = b(c)") == {("m.py", "-", "old"), ("m.py", "-", "1"), *(("m.py", "+", w) for w in "abc")}
    patches = {
        "a": patch_of("x = fixed"),
        "b": patch_of("x = fixed  # indeed"),
        "c": patch_of("x = fixed", "other.py"),
    }
    found = likeness(made(patches), patches)
    assert found["a"] == pytest.approx((4 / 5 + 0) / 2) and found["c"] == 0.0
    assert likeness(made(patches), ["a"]) == {"a": 0.0} and likeness(made({}), []) == {}


def test_tests_that_a_patch_changes_are_apart():
    test = patch_of("assert f()", "tests/test_m.py")
    patches = {"a": patch_of("x") + test, "b": patch_of("x")}
    assert likeness(made(patches), patches)["a"] < 1.0
    assert likeness(made(patches, tests=("tests/test_m.py",)), patches)["a"] == 1.0


def test_the_one_most_like_the_others_is_chosen():
    patches = {
        "a": patch_of("short"),
        "b": patch_of("value = left + right"),
        "c": patch_of("value = left or right or both"),
    }
    assert strategy("shortest")(made(patches)).chosen == "a"
    assert strategy("winnow")(made(patches)).chosen == "b"
    assert "likeness" not in features_of(made({"a": patches["a"]}))["a"]


def test_copies_of_a_patch_are_one_patch_and_each_is_as_alike():
    patches = {
        "a": patch_of("value = left"),
        "b": patch_of("value = left or right"),
        "c": patch_of("other", "n.py"),
    }
    values = lambda evidence: {n: f["likeness"].value for n, f in features_of(evidence).items()}  # noqa: E731
    alone = values(made(patches))
    copied = values(made({**patches, "d": patches["c"], "e": patches["c"]}))
    assert copied == {**alone, "d": alone["c"], "e": alone["c"]} and alone["a"] > alone["c"]
