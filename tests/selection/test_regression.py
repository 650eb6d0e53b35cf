"""Existing tests: what passed on the unfixed code, what a candidate broke, and when there is nothing to say."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from waiting import PATIENCE

from agent import KilledSandbox
from environments import TestReport as Report
from environments import run_tests
from selection import Regression, check_applies, run_regressions
from selection.regression import EXIT_CODE, _differences, _nothing, _unfixed, regression_of

overlay = pytest.mark.overlay
in_session = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def regressions(task, base):
    async def run(candidates, other_task=None, **options):
        changed = check_applies(task, candidates)
        slots = asyncio.Semaphore(2)
        found, existing = await run_regressions(
            base, other_task or task, candidates, changed, slots=slots, **options
        )
        run.existing = existing
        return found

    return run


@overlay
@in_session
async def test_a_candidate_is_measured_by_what_passed_before(regressions, candidate, totals, base):
    candidates = [
        candidate("attempt-1", {"total.sh": totals.RIGHT}),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE}),
        candidate("attempt-3", {"total.sh": totals.RIGHT}),
        candidate("attempt-4", {}),
    ]
    ended = []
    found = await regressions(candidates, done=ended.append)
    assert found == {
        "attempt-1": Regression(passed=2, known=2),
        "attempt-2": Regression(("nothing added", "two zeros"), passed=0, known=2),
        "attempt-3": Regression(passed=2, known=2),
    }
    names = ["attempt-1", "attempt-2", "unfixed-1", "unfixed-2"]
    assert sorted(ended) == names
    assert sorted(base.book["copies"]) == [f"regression/{name}" for name in names]


@overlay
@in_session
async def test_tests_that_a_candidate_deletes_or_never_reaches_are_broken(regressions, candidate, totals):
    candidates = [
        candidate("gone", {"tests/all.sh": None}),
        candidate("weakened", {"tests/all.sh": "echo 'ok 1 - nothing added'\necho 1..1\n"}),
    ]
    await regressions(candidates, timeout=PATIENCE)
    stuck = candidate("stuck", {"total.sh": "sleep 3600\n"})  # the only one that is run with so little time
    found = await regressions([*candidates, stuck], known=regressions.existing, timeout=1.0)
    assert found["gone"].broken == found["stuck"].broken == ("nothing added", "two zeros")
    assert found["weakened"] == Regression(("two zeros",), passed=1, known=2)


@overlay
@in_session
async def test_where_only_an_exit_code_is_known(candidate, regressions, totals, task):
    by_exit = replace(
        task, recipe=replace(task.recipe, test_format="exit", test_command="[ $(sh total.sh 5 0) = 5 ]")
    )
    candidates = [
        candidate("a", {"total.sh": totals.RIGHT}),
        candidate("b", {"total.sh": totals.ALWAYS_THREE}),
    ]
    found = await regressions(candidates, by_exit)
    assert found == {"a": Regression(passed=1, known=1), "b": Regression((EXIT_CODE,), passed=0, known=1)}


@overlay
@in_session
@pytest.mark.parametrize(
    ("command", "timeout", "reason"),
    [
        (None, PATIENCE, "no test command is known"),
        ("exit 3", PATIENCE, "no existing test passes on the unfixed code (the test command exits 3)"),
        (
            "no-such-runner",
            PATIENCE,
            "no existing test passes on the unfixed code (the test command exits 127)",
        ),
        (
            "echo 'ok 1 - a'; sleep 3600",
            1.0,
            "the test command did not end within 1 seconds on the unfixed code",
        ),
    ],
)
async def test_nothing_to_compare_with_is_said_and_no_candidate_is_run(
    regressions, candidate, totals, task, base, command, timeout, reason
):
    other = replace(task, recipe=replace(task.recipe, test_command=command))
    found = await regressions([candidate("a", {"total.sh": totals.RIGHT})], other, timeout=timeout)
    assert found == {"a": Regression(error=reason)}
    assert not [name for name in base.book["copies"] if "unfixed" not in name]


@overlay
@in_session
async def test_a_candidate_with_which_the_tests_end_their_sandbox_breaks_all(
    regressions, candidate, totals, monkeypatch
):
    async def run(sandbox, recipe, **options):
        if "attempt-2" in sandbox.name:
            raise KilledSandbox("gone three times")
        return await run_tests(sandbox, recipe, **options)

    monkeypatch.setattr("selection.regression.run_tests", run)
    candidates = [candidate(f"attempt-{i}", {"total.sh": f"echo {i}\n"}) for i in (0, 2)]
    found = await regressions(candidates)
    assert found["attempt-0"] == Regression(("nothing added",), passed=1, known=2)
    assert found["attempt-2"] == Regression(("nothing added", "two zeros"), passed=0, known=2)


@overlay
@in_session
async def test_nothing_is_run_for_nobody(regressions, candidate, base):
    assert await regressions([candidate("a", {})]) == {}
    assert base.book["copies"] == []


def report(results: dict[str, str], code: int = 0, ended: str = "exited") -> Report:
    return Report(results, code, ended, "")


def after(before: list[Report], one: Report | None, files: tuple[str, ...] = ()) -> Regression:
    """What one candidate's run comes to against runs of the unfixed code."""
    existing = _unfixed(before, "", ())
    return regression_of(replace(existing, differs={"a": _differences(existing, one)}), "a", files)


def test_a_test_that_differs_between_two_runs_of_the_unfixed_code_is_left_out():
    first = {"a": "passed", "b": "passed", "c": "failed"}
    second = {"a": "passed", "b": "failed", "c": "passed", "d": "passed"}
    before = [report(first, 1), report(second, 1)]
    assert _nothing(before, 9) == ""
    existing = _unfixed(before, "", ())
    assert existing.flaky == ("b", "c", "d") and existing.unfixed == first | {"d": "missing"}
    assert after(before, report({"a": "passed", "b": "failed"}, 1)) == Regression(passed=1, known=1)
    assert _nothing([report({"a": "passed"}), report({"b": "passed"})], 9) == (
        "no existing test passes twice on the unfixed code"
    )
    assert (
        _nothing([None, report({"a": "passed"})], 9)
        == "the test command ends its sandbox on the unfixed code"
    )


BOTH = report({"a": "passed", "b": "passed"})


@pytest.mark.parametrize("seen", ["failed", "error", "skipped", None])
def test_only_passed_is_passed(seen):
    results = {"b": "passed"} | ({"a": seen} if seen else {})
    assert after([BOTH, BOTH], report(results, 1)).broken == ("a",)


def test_what_each_test_said_is_kept_as_far_as_it_differs():
    before = report({"a": "passed", "b": "failed", "c": "passed"}, 1)
    existing = _unfixed([before, before], "by name", ("tests/x.py",))
    seen = _differences(existing, report({"a": "passed", "b": "passed", "new": "failed"}, 1))
    assert seen == {"b": "passed", "c": "missing"}
    existing = replace(existing, differs={"x": seen})
    assert [existing.outcome("x", test) for test in ("a", "b", "c", "new")] == [
        "passed",
        "passed",
        "missing",
        None,
    ]
    assert existing.outcome("nobody", "a") is None


def test_a_run_that_ended_its_sandbox_passed_nothing():
    assert after([BOTH, BOTH], None) == Regression(("a", "b"), passed=0, known=2)


def test_the_exit_code_stands_for_itself_also_where_names_appear():
    before = [report({}), report({})]
    assert _unfixed(before, "", ()).unfixed == {EXIT_CODE: "passed"}
    assert after(before, report({"new": "passed"})).broken == ()
    assert after(before, report({"new": "passed"}, 1)).broken == (EXIT_CODE,)


@pytest.mark.parametrize(
    ("test", "path", "touched"),
    [
        ("tests/test_a.py::test_x", "tests/test_a.py", True),
        ("tests/test_a.py::test_x", "tests/test_ab.py", False),
        ("tests/test_a.py::test_x", "test_a.py", False),
        ("test_x (tests.test_a.Cart.test_x)", "tests/test_a.py", True),
        ("test_x (tests.test_ab.Cart)", "tests/test_a.py", False),
        ("adds a test", "test", False),
    ],
)
def test_who_changes_a_test_itself_is_said(test, path, touched):
    before = report({test: "passed"})
    assert after([before], report({}, 1), (path,)).touched == ((test,) if touched else ())


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("timeout", "did not end within 7 seconds"),
        ("memory", "used more memory than it may"),
        ("disk", "wrote more to the disk than it may"),
    ],
)
def test_a_run_that_a_limit_stopped_is_nothing_to_compare_with(ended, said):
    whole = Report({"one": "passed"}, 0, "exited", "", "xml", True)
    assert _nothing([whole, replace(whole, ended=ended)], 7) == f"the test command {said} on the unfixed code"


@pytest.mark.parametrize("ended", ["timeout", "memory", "disk"])
def test_an_exit_code_of_a_run_that_a_limit_stopped_passes_nothing(ended):
    assert after([report({}), report({})], Report({}, 0, ended, "")).broken == (EXIT_CODE,)


@overlay
@in_session
async def test_only_what_is_missing_is_run_again(regressions, candidate, totals, base):
    one, two = (candidate(f"attempt-{i}", {"total.sh": f"echo {i}\n"}) for i in (0, 2))
    await regressions([one])
    assert regressions_names(base) == ["attempt-0", "unfixed-1", "unfixed-2"]
    base.book["copies"].clear()
    both = await regressions([one, two], known=regressions.existing)
    assert regressions_names(base) == ["attempt-2"]
    assert both["attempt-0"] == Regression(("nothing added",), passed=1, known=2)
    base.book["copies"].clear()
    assert await regressions([one, two], known=regressions.existing) == both
    assert regressions_names(base) == []


@overlay
@in_session
async def test_tests_that_are_not_steady_are_found_by_more_runs(candidate, regressions, totals, task, base):
    """A test whose outcome hangs on the run's own folder of temporary files, which is new each time."""
    command = "echo 'ok 1 - steady'; [ -e seen ] && echo 'ok 2 - odd' || echo 'not ok 2 - odd'; echo 1..2; touch seen"
    other = replace(task, recipe=replace(task.recipe, test_command=command))
    found = await regressions([candidate("a", {"seen": ""})], other, before=3)
    assert found["a"] == Regression(passed=1, known=1)
    assert regressions.existing.unfixed == {"steady": "passed", "odd": "failed"}
    assert regressions.existing.differs == {"a": {"odd": "passed"}}
    assert "unfixed-3" in regressions_names(base)


def regressions_names(base) -> list[str]:
    return sorted(name.removeprefix("regression/") for name in base.book["copies"])


ABORTS = """sh -c 'for f in "$@"; do case $f in *gis*) echo "Aborting: a database is required"; exit 1;; esac; done
for f in "$@"; do printf "%s[1]\\ntest_one ok [OK]\\n\\n" "$f"; done
echo "= tests finished: $# passed, in 0.10 seconds ="' tests"""


@overlay
@in_session
async def test_a_file_that_stops_the_others_is_left_out_and_named(
    candidate, regressions, totals, task, base, monkeypatch
):
    near = ("tests/a.py", "tests/gis.py", "tests/b.py")
    monkeypatch.setattr("selection.regression.nearby_tests", lambda *_: (near, "3 of 9 test files"))
    other = replace(task, recipe=replace(task.recipe, test_command=ABORTS, test_format="listing"))
    first = candidate("a", {"total.sh": totals.RIGHT})
    found = await regressions([first], other, which="near")
    assert found == {"a": Regression(passed=2, known=2)}
    existing = regressions.existing
    assert existing.files == ("tests/a.py", "tests/b.py")
    assert existing.found.endswith("left out, since they pass nothing here and stop the others: tests/gis.py")
    ran = len(base.book["copies"])
    more = [first, candidate("b", {"total.sh": totals.ALWAYS_THREE})]
    again = await regressions(more, other, which="near", known=existing)
    assert again == {"a": Regression(passed=2, known=2), "b": Regression(passed=2, known=2)}
    assert len(base.book["copies"]) == ran + 1  # what was left out is known
