"""R2E-Gym. Source: github.com/R2E-Gym/R2E-Gym, in src/r2egym: repo_analysis/validate_docker_and_hf.py (columns),
commit_models/diff_classes.py (parsed_commit_content), repo_analysis/execution_result_analysis.py
(execution_result_content), repo_analysis/repo_testextract.py and repo_analysis_args.py (r2e_tests, how they are run),
repo_analysis/base_dockerfiles (whose repositories), repo_analysis/execution_log_parser.py (names of tests),
agenthub/runtime/docker.py (/testbed, its .venv, the issue between [ISSUE] and [/ISSUE], what is hidden from attempts).

A commit is the unit: its parent is the base, its sources are the reference patch, the project's tests of it are
rewritten into r2e_tests. The image holds those tests: the set-up removes them before an attempt sees it.
"""

from __future__ import annotations

import re
from typing import Any

from ...instance import Instance, Reference
from ..row import Row, WrongRow, inside
from ..usual import issue

_ISSUE = re.compile(r"\[ISSUE\](.*)\[/ISSUE\]", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[\d+m")
_HIDDEN = "rm -rf /r2e_tests /root/r2e_tests /testbed/r2e_tests /root/run_tests.sh /testbed/run_tests.sh"
_QUIET = "PYTHONWARNINGS='ignore::UserWarning,ignore::SyntaxWarning'"
_PYTEST = ".venv/bin/python -W ignore -m pytest -rA r2e_tests"
_RUNNERS = ("unittest_custom_runner.py", "tornado_unittest_runner.py")
_SIGNS = {"context": " ", "added": "+", "deleted": "-", "note": "\\ "}
_REPOSITORIES = {
    "aiohttp": "aio-libs/aiohttp",
    "coveragepy": "nedbat/coveragepy",
    "datalad": "datalad/datalad",
    "numpy": "numpy/numpy",
    "orange3": "biolab/orange3",
    "pandas": "pandas-dev/pandas",
    "pillow": "python-pillow/Pillow",
    "pyramid": "Pylons/pyramid",
    "scrapy": "scrapy/scrapy",
    "sympy": "sympy/sympy",
    "tornado": "tornadoweb/tornado",
}
_TEST_FOLDERS = {"tests", "Tests", "test", "Test"}


def recognises(row: Row) -> bool:
    """Whether a row has columns that only this dataset has."""
    return (
        row.has("parsed_commit_content") and row.has("execution_result_content") and row.has("docker_image")
    )


def r2e_row(row: Row) -> tuple[Instance, Reference]:
    """A row of R2E-Gym. It has no id: project and commit are one."""
    commit, result = row.within("parsed_commit_content"), row.within("execution_result_content")
    project, fixed = row.needed_word("repo_name"), row.needed_word("commit_hash")
    instance_id = f"{project}__{fixed}"
    said = row.needed("problem_statement")
    marked = _ISSUE.search(said)
    files = _test_files(result)
    failing, passing = _tests(row, result)
    return (
        Instance(
            id=instance_id,
            issue=issue(marked[1] if marked else said),
            repo=_REPOSITORIES.get(project, project),
            base_commit=commit.needed_word("old_commit_hash"),
            created=commit.moment("commit_date"),
            image=row.needed_word("docker_image"),
            workdir="/testbed",
            activate=". /testbed/.venv/bin/activate",
            setup=_HIDDEN,
            place=row.place,
            notes=("its image holds the hidden tests, which the set-up removes",),
        ),
        Reference(
            id=instance_id,
            patch=_source_patch(commit),
            files=files,
            fail_to_pass=failing,
            pass_to_pass=passing,
            test_command=_command(project, files),
            test_format="pytest",
            repo=_REPOSITORIES.get(project, project),
        ),
    )


def _command(project: str, files: dict[str, str]) -> str:
    """The dataset's run_tests.sh: a runner of its own where it brings one, pytest for the others."""
    runner = next((name for name in _RUNNERS if f"r2e_tests/{name}" in files), "")
    if runner:
        return f".venv/bin/python -W ignore r2e_tests/{runner}"
    if project == "orange3":  # its tests want a screen
        return f"QT_QPA_PLATFORM=minimal {_QUIET} xvfb-run --auto-servernum {_PYTEST}"
    return f"{_QUIET} {_PYTEST}"


def _test_files(result: Row) -> dict[str, str]:
    names, codes = result.values.get("test_file_names"), result.values.get("test_file_codes")
    if not isinstance(names, list) or not isinstance(codes, list) or len(names) != len(codes):
        raise WrongRow("execution_result_content has no test_file_names with as many test_file_codes")
    if not all(isinstance(each, str) for each in (*names, *codes)):
        raise WrongRow("execution_result_content has test files that are no text")
    files = {inside(f"r2e_tests/{name}"): code for name, code in zip(names, codes, strict=True)}
    return {"r2e_tests/__init__.py": "", **files}


def _tests(row: Row, result: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(those that pass since the commit, those that passed before it): by what the dataset expects of its tests."""
    expected = {_named(name): outcome for name, outcome in row.mapping("expected_output_json").items()}
    if not expected:
        raise WrongRow("expected_output_json is missing or empty")
    before = _outcomes(result.text("old_commit_res_stdout"))
    passed = [name for name, outcome in expected.items() if outcome == "PASSED"]
    return (
        tuple(name for name in passed if before.get(name) != "PASSED"),
        tuple(name for name in passed if before.get(name) == "PASSED"),
    )


def _outcomes(log: str) -> dict[str, str]:
    """pytest's summary by the dataset's names: the class and the function, without the file."""
    _, found, summary = log.partition("short test summary info")
    outcomes = {}
    for line in summary.splitlines() if found else []:
        outcome = next((each for each in ("PASSED", "FAILED", "ERROR") if each in line), "")
        if outcome:
            outcomes[_named(".".join(line.split("::")[1:]))] = outcome
    return outcomes


def _named(name: str) -> str:
    return _COLOUR.sub("", name).split(" - ")[0]


def _source_patch(commit: Row) -> str:
    """The commit's changes to Python files that are no tests."""
    diffs = commit.values.get("file_diffs")
    if not isinstance(diffs, list):
        raise WrongRow("parsed_commit_content has no list file_diffs")
    try:
        return "".join(_file_patch(diff) for diff in diffs if _is_source(diff["header"]["file"]["path"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise WrongRow(f"parsed_commit_content has a file_diff of another form ({error!r})") from None


def _is_source(path: str) -> bool:
    parts = path.split("/")
    is_test = path.endswith("_test.py") or parts[-1].startswith("test_") or _TEST_FOLDERS & set(parts)
    return path.endswith(".py") and not is_test


def _file_patch(diff: dict[str, Any]) -> str:
    path = diff["header"]["file"]["path"]
    lines = [f"diff --git a/{path} b/{path}"]
    if diff["header"].get("misc_line"):
        lines.append(diff["header"]["misc_line"])
    if index := diff.get("index_line"):
        mode = f" {index['mode']}" if index.get("mode") else ""
        lines.append(f"index {index['old_commit_hash']}..{index['new_commit_hash']}{mode}")
    if diff.get("minus_file") and diff.get("plus_file"):
        lines += [f"--- {diff['minus_file']['path']}", f"+++ {diff['plus_file']['path']}"]
    for hunk in diff.get("hunks") or []:
        ranges, section = hunk["descriptor"], hunk["descriptor"].get("section")
        head = f"@@ -{_range(ranges['old_range'])} +{_range(ranges['new_range'])} @@"
        lines.append(f"{head} {section}" if section else head)
        lines += [_SIGNS[line["type"]] + line["content"] for line in hunk["line_group"]["all_lines"]]
    return "\n".join(lines) + "\n"


def _range(said: dict[str, Any]) -> str:
    return str(said["start"]) if said.get("length") is None else f"{said['start']},{said['length']}"
