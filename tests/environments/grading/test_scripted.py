"""Rows that bring a whole script, as the official harness's do: it puts the hidden tests in place by itself."""

import os
from dataclasses import replace

import pytest
from small_project import HIDDEN, MODULE, RIGHT, SOURCE

from environments import grade_instance
from environments.grading.official_logs import parsed_officially

pytestmark = pytest.mark.overlay

SCRIPT = """#!/bin/bash
set -uxo pipefail
git checkout HEAD {module}
rm -f tests/new.txt
git apply -v - <<'EOF_1'
{test_patch}EOF_1
: '>>>>> Start Test Output'
python -m unittest -v tests.test_pkg
CODE=$?
: '>>>>> End Test Output'
{code}
git checkout HEAD {module}
"""
EXIT = 'echo ">>>>> Test Exit Code: $CODE"'


def row(project, code=EXIT):
    test_patch = project.diff({MODULE: HIDDEN, "tests/new.txt": "new\n"})
    script = SCRIPT.format(module=MODULE, test_patch=test_patch, code=code)
    reference = replace(project.reference, test_patch=test_patch, eval_script=script)
    return replace(reference, log_parser="parse_log_django", repo="owner/name", version="1")


@pytest.mark.parametrize("code", [EXIT, ""])
async def test_a_script_is_run_as_it_is(projects, prepared, code):
    project = projects["unittest"]
    changed = {
        "resolved": {"pkg.py": RIGHT, MODULE: "def test_double(): pass\n", "tests/new.txt": "in the way\n"},
        "not resolved": {"pkg.py": SOURCE + "\nx = 1\n"},
        "broken": {"pkg.py": RIGHT.replace(".upper", ".lower")},
    }
    async with prepared(project.task) as base:
        for verdict, files in changed.items():
            patch = project.diff(files)
            grade = await grade_instance(base, project.task, row(project, code), patch)
            assert grade.verdict == verdict, grade


LINES = "".join(
    f"{name} (tests.test_pkg.Numbers) ... ok\\n"
    for name in ("test_double", "test_double_of_canary_3141592", "test_half", "test_shout")
)
RAN = "\\nRan 4 tests in 0.1s\\n\\nOK\\n"
MARKS = (
    ">>>>> End Test Output\\n>>>>> End Test Output \\n>>>>> Test Exit Code: 0\\n>>>>> Test Exit Code : 0\\n"
)
NO_MORE = "os.kill(os.getppid(), 9)\nos._exit(0)"  # the script says nothing after this
CHEATS = [
    f"import os\nprint('''{LINES}{RAN}''', flush=True)\n{NO_MORE}",
    f"import os\nprint('''{LINES}{RAN}{MARKS}''', flush=True)\n{NO_MORE}",
    f"import os, sys\nprint('''{LINES}\\nRan 4 tests in 0.1s\\n\\nOK\\n''', file=sys.stderr, flush=True)\n"
    "os.kill(os.getppid(), 9)",
    "import os\nos._exit(0)",
    f"print('''{LINES}>>>>> End Test Output''', flush=True)",
    f"import os\nprint('''{LINES}>>>>> End Test Output''', flush=True)\nos.kill(-1, 9)",
]


@pytest.mark.parametrize("code", CHEATS)
async def test_no_end_no_verdict(projects, prepared, code):
    project = projects["unittest"]
    async with prepared(project.task) as base:
        patch = project.diff({"pkg.py": code + "\n" + SOURCE})
        grade = await grade_instance(base, project.task, row(project), patch)
    assert not grade.resolved, grade


async def test_an_exit_code_that_contradicts_the_results_is_no_verdict(projects, prepared):
    project = projects["unittest"]
    leaves = "\nimport atexit, os\natexit.register(os._exit, 3)\n"
    async with prepared(project.task) as base:
        grade = await grade_instance(
            base, project.task, row(project), project.diff({"pkg.py": RIGHT + leaves})
        )
    assert not grade.resolved and "not whole" in grade.reason and grade.exit_code == 3, grade


async def test_a_script_that_says_nothing_of_named_tests(projects, prepared):
    project = projects["unittest"]
    silent = replace(row(project), eval_script="echo nothing\n")
    async with prepared(project.task) as base:
        grade = await grade_instance(base, project.task, silent, project.reference.patch)
    assert grade.verdict == "broken" and "not whole" in grade.reason


@pytest.mark.skipif(
    not os.environ.get("WINNOW_SWEBENCH"), reason="WINNOW_SWEBENCH names no interpreter with swebench"
)
async def test_the_official_parser_reads_it_where_there_is_one():
    log = (
        "PASSED a.py::test_x[a b]\nFAILED a.py::test_y - assert\nSKIPPED [1] a.py:3: no\nXFAIL a.py::test_z\n"
    )
    found = await parsed_officially(log, "parse_log_pytest", "owner/name", "1")
    assert found == {"a.py::test_x[a": "passed", "a.py::test_y": "failed", "a.py::test_z": "passed"}
    assert await parsed_officially("x", "no_such_parser", "owner/name", "1") is None
    by_repository = await parsed_officially("test_x (a.B) ... ok\n", "", "django/django", "4.0")
    assert by_repository == {"test_x (a.B)": "passed"}


async def test_without_its_package_there_is_no_official_parser(monkeypatch):
    monkeypatch.setenv("WINNOW_SWEBENCH", "/bin/false")
    assert await parsed_officially("PASSED a::b", "parse_log_pytest", "o/n", "1") is None
