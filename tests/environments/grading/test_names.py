"""Named tests found in what runs reported, in every dialect that datasets write them in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.grading.names import outcomes_of
from environments.test_logs import read_log, read_titles

REPORTED = {
    "tests/test_a.py::TestA::test_x": "passed",
    "tests/test_a.py::test_y[one two]": "passed",
    "tests/test_a.py::test_y[one three]": "failed",
    "tests/test_a.py::test_z[log(photon /cm2)]": "passed",
    "tests/test_a.py::test_path[/tmp/abc/def/file.txt]": "passed",
    "tests/test_a.py::test_url[//host/x]": "passed",
    "test_one (app.tests.Case)": "passed",
    "test_two (app.tests.Case)": "error",
    "test_two (app.tests.Other)": "passed",
    "pkg/tests/test_b.py::test_alone": "skipped",
}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("tests/test_a.py::TestA::test_x", "passed"),
        ("tests/test_a.py::test_y[one two]", "passed"),
        ("tests/test_a.py::test_y[one", "failed"),  # cut at a space: the worst of the two
        ("tests/test_a.py::test_z[log(photon", "passed"),
        ("tests/test_a.py::test_z[log(pho", "passed"),
        ("tests/test_a.py::test_path[/file.txt]", "passed"),
        ("tests/test_a.py::test_url[/x]", "missing"),
        ("test_one (app.tests.Case)", "passed"),
        ("test_one (app.tests.Case.test_one)", "passed"),
        ("test_two", "error"),
        ("test_alone", "skipped"),
        ("A line of a docstring.", "passed"),
        ("tests/test_a.py::test_x", "missing"),
        ("tests/test_a.py", "missing"),
        ("test_on", "missing"),
        ("tests/test_a.py::test_y", "missing"),
        ("", "missing"),
    ],
)
def test_dialects(name, outcome):
    titles = {"A line of a docstring.": "passed"}
    assert outcomes_of([name], REPORTED, titles) == {name: outcome}


def test_the_name_as_it_is_goes_before_any_other_way():
    reported = {
        "a.py::test_x[a": "passed",
        "a.py::test_x[a b]": "failed",
        "test_x": "failed",
        "T::test_x": "passed",
    }
    assert outcomes_of(["a.py::test_x[a", "test_x"], reported) == {
        "a.py::test_x[a": "passed",
        "test_x": "failed",
    }


@given(st.dictionaries(st.text(max_size=12), st.sampled_from(["passed", "failed"])), st.text(max_size=12))
def test_no_name_is_found_that_nothing_was_reported_of(reported, name):
    """Whatever was reported: every name has exactly one outcome, and a reported name its own."""
    found = outcomes_of([name, *reported], reported)
    assert all(found[own] == outcome for own, outcome in reported.items())
    assert set(found) == {name, *reported}


LISTING = """\
============================= test process starts ==============================
executable:         /usr/bin/python  (3.9.1-final-0) [CPython]

pkg/core/tests/test_a.py[6]
test_one ok
test_two F
test_three test_noise ok
ok
test_four numpy is not installed. s
test_five Traceback of something
more words E
ok
test_six E                                                              [FAIL]

pkg/tests/test_b.py[2]
test_one ok
test_seven f                                                              [OK]

________________________________________________________________________________
_______________________ pkg/core/tests/test_a.py:test_two ______________________
Traceback (most recent call last):
AssertionError
 tests finished: 3 passed, 1 failed, 1 skipped, 1 expected to fail, 1 exceptions,
in 0.50 seconds
"""
WRAPPED = (
    "\n tests finished: 4 passed, 1 failed, 1 skipped, 1 expected to fail, 1 exceptions, \nin 0.50 seconds \n"
    "DO *NOT* COMMIT!\n"
)
END = (
    "== tests finished: 4 passed, 1 failed, 1 skipped, 1 expected to fail, 1 exceptions, in 0.50 seconds ==\n"
)


def test_a_listing():
    log = LISTING.split(" tests finished")[0] + END
    results, whole = read_log("listing", log)
    assert whole and results == {
        "pkg/core/tests/test_a.py::test_one": "passed",
        "pkg/core/tests/test_a.py::test_two": "failed",
        "pkg/core/tests/test_a.py::test_three": "passed",
        "pkg/core/tests/test_a.py::test_four": "skipped",
        "pkg/core/tests/test_a.py::test_five": "passed",
        "pkg/core/tests/test_a.py::test_six": "error",
        "pkg/tests/test_b.py::test_one": "passed",
        "pkg/tests/test_b.py::test_seven": "passed",
    }
    assert outcomes_of(["test_one", "test_two"], results) == {"test_one": "passed", "test_two": "failed"}
    assert not read_log("listing", LISTING.split(" tests finished")[0])[1], "without its end it is not whole"
    assert read_log("listing", LISTING.split(" tests finished")[0] + WRAPPED) == (results, True)
    forged = log.replace("test_two F", "test_two ok\ntest_more ok\ntest_again ok")
    assert not read_log("listing", forged)[1], "more passed tests than the runner counted"
    assert read_log("listing", "test_one ok\n" + END)[0] == {}, "a line before any file is no result"


UNITTEST = """\
Testing against Django installed in '/x' with 1 processes
test_plain (app.tests.Case) ... ok
test_noisy (app.tests.Case) ... Creating a table
Running deferred SQL...
ok
test_documented (app.tests.Case)
What it is about. ... ok
test_bad (app.tests.Case)
Another thing. ... FAIL
test_last (app.tests.Case.test_last) ... skipped 'no ... ok'

======================================================================
FAIL: test_bad (app.tests.Case)
Another thing.
----------------------------------------------------------------------
AssertionError

----------------------------------------------------------------------
Ran 5 tests in 0.004s

FAILED (failures=1, skipped=1)
"""


def test_an_old_unittest_log_and_its_titles():
    results, whole = read_log("unittest", UNITTEST)
    assert whole and results == {
        "test_plain (app.tests.Case)": "passed",
        "test_noisy (app.tests.Case)": "passed",
        "test_documented (app.tests.Case)": "passed",
        "test_bad (app.tests.Case)": "failed",
        "test_last (app.tests.Case)": "skipped",
    }
    titles = read_titles("unittest", UNITTEST)
    assert titles == {"What it is about.": "passed", "Another thing.": "failed"}
    named = ["What it is about.", "Another thing.", "test_last (app.tests.Case)", "Running deferred SQL..."]
    assert list(outcomes_of(named, results, titles).values()) == ["passed", "failed", "skipped", "missing"]
