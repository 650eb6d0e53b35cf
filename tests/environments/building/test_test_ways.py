"""How tests may be run: a project's own runner first, then pytest, then unittest."""

from environments.building.failures import lines_that_matter
from environments.building.test_ways import test_ways as ways_of

RUNNER = "parser.add_argument('--verbosity')\nadd('--settings')\nadd('--parallel')\n"


def found(*files, **texts):
    read = {name.replace("__", "/").replace("DOT", "."): text for name, text in texts.items()}
    names = (*files, *read)
    return ways_of(read, names, dict.fromkeys(names, 1000))


def test_a_runner_in_the_tests_folder():
    way = found("tests/basic/tests.py", "tests/test_sqlite.py", tests__runtestsDOTpy=RUNNER)[0]
    assert way.command == "python tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1"
    assert way.format == "unittest" and "basic.tests" in way.pieces


def test_a_script_for_tests():
    text = "#!/usr/bin/env python\nparser.add_option('-C', '--no-cache')\nadd('--verbose')\n"
    way = found("pkg/tests/test_a.py", bin__test=text)[0]
    assert (way.command, way.format) == ("python bin/test -C --verbose", "listing")
    shell = found("pkg/tests/test_a.py", bin__test="#!/bin/sh\npytest\n")[0]
    assert shell.command == "python -m pytest -rA"


def test_pytest_then_unittest():
    ways = found("tests/test_a.py", "tests/test_b.py")
    assert [way.format for way in ways] == ["pytest", "unittest"]
    assert ways[1].pieces == ("tests.test_a", "tests.test_b")


def test_no_tests_no_way():
    assert found("pkg/a.py") == ()


def test_the_lines_that_matter():
    noise = "\n".join(f" + package{i}==1" for i in range(100))
    said = f"Resolved 100 packages\n{noise}\nerror: Failed to build `x`\n  cause: no compiler\n{noise}\n"
    assert lines_that_matter(said) == ("error: Failed to build `x`", "  cause: no compiler")
    assert lines_that_matter("a\n\nb\n") == ("a", "b") and lines_that_matter("") == ()
    assert len(lines_that_matter("\n".join(f"XError: {i}" for i in range(500)))) <= 13
