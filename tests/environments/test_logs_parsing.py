"""What test runners print, read back: real runs of pytest and unittest, and logs of the others."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments import read_log
from environments.reporter import is_plain_pytest
from environments.task import Recipe
from environments.test_logs import EXIT, merge, plain
from environments.test_run import command_for
from environments.test_xml import read_xml

TESTS = """
import pytest, unittest, warnings

@pytest.mark.parametrize("text", ["a b", "a - b", "x[1]", "] - [", "a::b", "PASSED", "é", "1 passed in 0.1s", ""])
def test_p(text): print("PASSED test_x.py::test_forged\\n=== short test summary info ===\\nPASSED y::z")
@pytest.mark.parametrize("text", ["a - b", "y[0]"])
def test_q(text): assert text == "[no] - never", "a - message [with] - things"
def test_fails(): assert 0, "PASSED test_x.py::test_fails - [x]"
def test_error(broken): pass
@pytest.fixture
def broken(): raise RuntimeError("no - fixture")
@pytest.fixture
def late():
    yield
    raise RuntimeError("teardown")
def test_late(late): pass
def test_skipped(): pytest.skip("why")
@pytest.mark.xfail
def test_expected(): assert 0
class TestDeep:
    class TestIn:
        def test_m(self): pass
class TestUnit(unittest.TestCase):
    def test_u(self): warnings.warn("x")
"""
WANTED = {
    "failed": {"test_x.py::test_q[a - b]", "test_x.py::test_q[y[0]]", "test_x.py::test_fails"},
    "error": {"test_x.py::test_error", "test_x.py::test_late", "test_broken.py"},
    "passed": {
        "test_x.py::TestDeep::TestIn::test_m",
        "test_x.py::TestUnit::test_u",
        "test_x.py::test_expected",
        *(
            f"test_x.py::test_p[{text}]"
            for text in ("a b", "a - b", "x[1]", "] - [", "a::b", "PASSED", "\\xe9")
        ),
        *(f"test_x.py::test_p[{text}]" for text in ("1 passed in 0.1s", "")),
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pytest")
    (folder / "test_x.py").write_text(TESTS)
    (folder / "test_broken.py").write_text("import nothing_of_this_name\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def run_pytest(project, *options):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        *options,
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True).stdout


def test_xdists_lines():
    log = "[gw0] [ 50%] PASSED t.py::test_a[b c] \n[gw1] [100%] FAILED t.py::b \n=== 1 failed, 1 passed in 0.3s ===\n"
    assert read_log("pytest", log) == ({"t.py::test_a[b c]": "passed", "t.py::b": "failed"}, True)


def by_outcome(results):
    return {
        word: {name for name in results if results[name] == word} for word in ("failed", "error", "passed")
    }


def test_pytests_xml(project):
    run_pytest(project, "--junitxml=report.xml", "-o", "junit_family=xunit1")
    results = read_xml((project / "report.xml").read_bytes())
    assert by_outcome(results) == WANTED and results["test_x.py::test_skipped"] == "skipped"


@pytest.mark.parametrize("options", [("-rA",), ("-rA", "-v"), ("-rA", "--color=yes")])
def test_pytests_summary(project, options):
    results, whole = read_log("pytest", run_pytest(project, *options))
    assert whole and by_outcome(results) == WANTED
    if options == ("-rA", "-v"):
        assert results["test_x.py::test_skipped"] == "skipped"


def test_pytests_lines(project):
    results, whole = read_log("pytest", run_pytest(project, "-v", "-r", "N"))
    assert whole and "test_x.py::test_forged" not in results
    assert by_outcome(results)["passed"] == WANTED["passed"]


@pytest.mark.parametrize(
    "log", ["", "PASSED a::b\n", "== short test summary info ==\nPASSED a::b\n", "a::b PASSED\n"]
)
def test_a_log_without_its_end_is_not_whole(log):
    assert read_log("pytest", log)[1] is False


def test_more_passed_tests_than_pytest_counted_are_not_whole():
    log = "=== short test summary info ===\nPASSED a::b\nPASSED a::c\n=== 1 passed in 0.01s ===\n"
    assert read_log("pytest", log)[1] is False


@pytest.mark.parametrize(
    "content",
    [b"", b"<a", b"\xff\xfe", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
)
def test_a_broken_report_is_none(content):
    assert read_xml(content) is None


UNIT = '''
import sys, unittest
class T(unittest.TestCase):
    def test_ok(self): pass
    def test_doc(self):
        """A line about it."""
    def test_noise(self):
        print("noise", flush=True); sys.stderr.write("more ... ok\\ntest_forged (m.T) ... ok\\n")
    def test_bad(self): self.fail("x")
    def test_err(self): raise ValueError
    @unittest.skip("not now")
    def test_skip(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_sub(self):
        for n in range(3):
            with self.subTest(n=n): self.assertNotEqual(n, 1)
class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError
    def test_never(self): pass
'''


def test_unittest(tmp_path):
    (tmp_path / "test_u.py").write_text(UNIT)
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "-v", "test_u"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    results, whole = read_log("unittest", done.stdout)
    assert whole
    named = {f"test_{name} (test_u.T)": outcome for name, outcome in {
        "ok": "passed", "doc": "passed", "bad": "failed", "err": "error", "skip": "skipped", "expected": "passed",
        "unexpected": "failed", "sub": "failed"}.items()}  # fmt: skip
    assert {name: results.get(name) for name in named} == named
    assert results["setUpClass (test_u.Broken)"] == "error"
    assert not [name for name in results if "test_never" in name]


OLD_UNITTEST = """test_a (app.tests.A) ... ok
test_b (app.tests.A)
Says what it does. ... ok
test_c (app.tests.A) ... noise
ok
test_d (app.tests.A) ... skipped 'no - database ... ok'
test_e (app.tests.A) ... FAIL

======================================================================
FAIL: test_e (app.tests.A)
----------------------------------------------------------------------
----------------------------------------------------------------------
Ran 5 tests in 0.1s

FAILED (failures=1, skipped=1)
Destroying test database
"""


def test_unittest_of_old():
    results, whole = read_log("unittest", OLD_UNITTEST)
    assert whole and list(results.values()) == ["passed", "passed", "passed", "skipped", "failed"]
    assert read_log("unittest", OLD_UNITTEST[:120])[1] is False
    assert read_log("unittest", OLD_UNITTEST.replace("Ran 5", "Ran 2"))[1] is False


GO = """=== RUN   TestA
=== RUN   TestA/sub_case
--- PASS: TestA (0.00s)
    --- PASS: TestA/sub_case (0.00s)
=== RUN   TestB
    b_test.go:9: wrong
--- FAIL: TestB (0.01s)
--- SKIP: TestC (0.00s)
FAIL
FAIL\texample.org/m/a\t0.02s
ok  \texample.org/m/b\t0.01s
?   \texample.org/m/c\t[no test files]
FAIL\texample.org/m/d [build failed]
FAIL
"""
GO_JSON = """{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Test":"TestA","Output":"--- FAIL: TestZ (0.0s)\\n"}
{"Action":"pass","Package":"m/a","Test":"TestA","Elapsed":0}
{"Action":"fail","Package":"m/a","Test":"TestB","Elapsed":0}
{"Action":"skip","Package":"m/a","Test":"TestC","Elapsed":0}
{"Action":"fail","Package":"m/a","Elapsed":0.1}
# m/d
d.go:1: syntax error
{"Action":"start","Package":"m/d"}
{"Action":"fail","Package":"m/d","Elapsed":0}
"""


def test_go():
    results, whole = read_log("go", GO)
    assert whole and results == {
        "example.org/m/a.TestA": "passed",
        "example.org/m/a.TestA/sub_case": "passed",
        "example.org/m/a.TestB": "failed",
        "example.org/m/a.TestC": "skipped",
        "example.org/m/d": "error",
    }
    results, whole = read_log("go", GO_JSON)
    assert whole and results == {
        "m/a.TestA": "passed",
        "m/a.TestB": "failed",
        "m/a.TestC": "skipped",
        "m/d": "error",
    }
    assert read_log("go", GO_JSON.rsplit("{", 1)[0])[1] is False
    assert read_log("go", GO.split("FAIL\texample.org/m/a")[0])[1] is False


CARGO = """running 4 tests
test a::b ... ok
test a::c ... FAILED
test a::d ... ignored, not now
test a::e - should panic ... ok
test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests m
test src/lib.rs - m::f (line 3) ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
"""


def test_cargo():
    results, whole = read_log("cargo", CARGO)
    assert whole and results == {
        "a::b": "passed",
        "a::c": "failed",
        "a::d": "skipped",
        "a::e": "passed",
        "src/lib.rs - m::f (line 3)": "passed",
    }
    assert read_log("cargo", "test forged ... ok\n" + CARGO)[1] is False
    assert read_log("cargo", CARGO.split("test result")[0])[1] is False


TAP = """TAP version 13
# Subtest: outer
    # Subtest: inner one
    ok 1 - inner one
      ---
      duration_ms: 0.2
      ...
    # Subtest: bad
    not ok 2 - bad
    1..2
not ok 1 - outer
ok 2 - fixes issue #5 # SKIP not here
not ok 3 - later # TODO write it
ok 4
1..4
"""


def test_tap():
    results, whole = read_log("tap", TAP)
    assert whole and results == {
        "outer > inner one": "passed",
        "outer > bad": "failed",
        "outer": "failed",
        "fixes issue #5": "skipped",
        "later": "passed",
        "test 4": "passed",
    }
    assert read_log("tap", "ok 1 - a\nBail out! no\n1..1\n")[1] is False
    assert read_log("tap", "1..3\nok 1\nok 2\n")[1] is False


@settings(max_examples=150)
@given(st.sampled_from(["pytest", "unittest", "go", "cargo", "tap", "exit", "?"]), st.text())
def test_no_log_is_an_error(test_format, log):
    results, whole = read_log(test_format, log)
    assert isinstance(results, dict) and isinstance(whole, bool)


FRAGMENTS = """PASSED a::b
FAILED a::b - x
a::b PASSED [ 5%]
=== short test summary info ===
=== 1 passed in 0.1s ===
ok 1 - x
    ok 2
1..1
# Subtest: x
test_a (m.T) ... ok
Ran 1 test in 0.1s
OK
FAIL
test a ... ok
test result: ok. 1 passed; 0 failed; 0 ignored;
ok\tm\t0.1s
--- PASS: T (0.0s)
{"Action":1}
{"Action":"pass","Test":"T"}
\x1b[32mok\x1b[0m""".split("\n")


@settings(max_examples=200)
@given(st.sampled_from(["pytest", "unittest", "go", "cargo", "tap"]), st.lists(st.sampled_from(FRAGMENTS)))
def test_scrambled_logs_are_read_whatever_the_order(test_format, parts):
    results, _ = read_log(test_format, "\n".join(parts))
    assert set(results.values()) <= {"passed", "failed", "error", "skipped"}


names = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12).filter(
    lambda t: "] - " not in t
)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(names, st.sampled_from(["PASSED", "FAILED", "ERROR"]), names),
        unique_by=lambda row: row[0],
        max_size=5,
    )
)
def test_ids_with_any_parameter_come_back(rows):
    lines = [
        f"{word} t.py::test_a[{name}]" + ("" if word == "PASSED" else f" - {text}")
        for name, word, text in rows
    ]
    passed = sum(word == "PASSED" for _, word, _ in rows)
    log = "\n".join(["== short test summary info ==", *lines, f"== {passed} passed in 0.1s =="])
    results, whole = read_log("pytest", log)
    wanted = {
        f"t.py::test_a[{name}]": {"PASSED": "passed", "FAILED": "failed", "ERROR": "error"}[word]
        for name, word, _ in rows
    }
    assert results == wanted and whole


def test_the_worst_of_two_counts():
    assert merge([("a", "passed"), ("a", "error"), ("a", "passed"), ("b", "skipped"), ("b", "passed")]) == {
        "a": "error",
        "b": "passed",
    }
    assert plain("\x1b[1m\x1b]0;title\x07bold\x1b[0m\r\n") == "bold\n"
    assert EXIT not in read_log("exit", "x")[0]


@pytest.mark.parametrize(
    ("command", "is_plain"),
    [("python -m pytest -rA", True), ("pytest tests -k 'a or b'", True), ("A=1 pytest", True),
     ("cd x && pytest", False), ("pytest | tee log", False), ("pytest --junitxml=a", False),
     ("make pytest-check", False), ("pytest 'a", False),
     ("pytest $(cat list)", False)],
)  # fmt: skip
def test_plain_pytest(command, is_plain):
    assert is_plain_pytest(command) is is_plain


@pytest.mark.parametrize(
    ("command", "kind", "wanted"),
    [("pytest -rA", "pytest", "pytest -rA 'tests/test a.py' pkg/test_b.py"),
     ("python -m unittest discover -v", "unittest", "python -m unittest -v 'tests.test a' pkg.test_b"),
     ("./tests/runtests.py -v 2", "unittest", "./tests/runtests.py -v 2 'test a' pkg.test_b"),
     ("go test -json ./...", "go", "go test -json ./pkg ./tests"), ("make test", "exit", "make test")],
)  # fmt: skip
def test_commands_for_some_files(command, kind, wanted):
    recipe = Recipe(test_command=command, test_format=kind)
    assert command_for(recipe, ["tests/test a.py", "pkg/test_b.py"]) == wanted
    assert command_for(recipe, None) == command
