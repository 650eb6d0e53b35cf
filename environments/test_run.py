"""Running a repository's tests inside a sandbox, and what each test said."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from sandbox import NotThere, Result, Sandbox

from .reporter import is_plain_pytest, lay, runner_of, unittest_results
from .task import Recipe
from .test_logs import EXIT, FORMATS, Outcome, plain, read_log, read_titles
from .test_xml import LARGEST, read_xml

_SERVICE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class TestReport:
    """What a test run said. results: test name -> outcome; {"(exit code)": ...} where the format names no tests.

    ended: as in sandbox.Result; what a limit stopped is never whole. source: where the results come from; "sealed":
    a report that nothing the tests did can have written. whole: the runner came to its end and its own counts agree
    with the results; a verdict needs that. output: without colours. titles: outcomes by the first lines of docstrings,
    where the runner says these.
    """

    __test__ = False

    results: Mapping[str, Outcome]
    exit_code: int
    ended: str
    output: str
    source: Literal["sealed", "xml", "log", "exit"] = "exit"
    whole: bool = False
    titles: Mapping[str, Outcome] = field(default_factory=dict)


async def run_tests(
    sandbox: Sandbox,
    recipe: Recipe,
    *,
    files: Sequence[str] | None = None,
    timeout: float | None = None,
) -> TestReport:
    """Run the recipe's tests, or those in `files` (paths relative to the repository; pytest node ids too).

    A plain pytest command writes its XML report to a path made from the command, so that a journaled step asks for the
    same again, and nothing printed counts. timeout: seconds, the recipe's by default. Raises ValueError without a test
    command, SandboxDied.
    """
    command = _command(recipe, files)
    report = ""
    if recipe.test_format == "pytest" and is_plain_pytest(recipe.test_command or ""):
        digest = hashlib.sha256(command.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        report = f"/tmp/winnow-tests-{digest}.xml"
        command = f"rm -f {report}; {command} --junitxml={report} -o junit_family=xunit1"
    if (down := await _services_down(sandbox, recipe)) is not None:
        return down
    result = await sandbox.run(command, timeout=recipe.test_timeout if timeout is None else timeout)
    if report and not _refuses_xml(result):
        return _from_xml(result, await _read(sandbox, report), "xml")
    return read_run(recipe.test_format, result)


async def run_sealed(
    sandbox: Sandbox, recipe: Recipe, *, files: Sequence[str] | None = None, timeout: float | None = None
) -> TestReport:
    """The same for grading: where the runner is pytest's or unittest's own, only a sealed report counts.

    The sandbox must be one in which nothing of the candidate has run. Other runners' logs are read as they are.
    """
    command = _command(recipe, files)
    runner = runner_of(recipe.test_format, recipe.test_command or "")
    seconds = recipe.test_timeout if timeout is None else timeout
    if (down := await _services_down(sandbox, recipe)) is not None:
        return down
    if runner is None:
        return read_run(recipe.test_format, await sandbox.run(command, timeout=seconds))
    reporter = await lay(sandbox, runner)
    result = await sandbox.run(reporter.around(command), timeout=seconds)
    if runner == "pytest" and _refuses_xml(result):
        result = await sandbox.run(command, timeout=seconds)
        return read_run(recipe.test_format, result)
    content = await reporter.report(sandbox)
    if runner == "pytest":
        return _from_xml(result, content or b"", "sealed")
    results, titles = unittest_results(content) if content else ({}, {})
    whole = content is not None and result.ended == "exited" and _agrees(results, result.exit_code)
    return TestReport(results, result.exit_code, result.ended, plain(result.output), "sealed", whole, titles)


def read_run(test_format: str, result: Result) -> TestReport:
    """What a finished command's log says, or its exit code where the format names no tests."""
    output = plain(result.output)
    if test_format in FORMATS:
        results, whole = read_log(test_format, output)
        whole = whole and result.ended == "exited" and _agrees(results, result.exit_code)
        titles = read_titles(test_format, output)
        return TestReport(results, result.exit_code, result.ended, output, "log", whole, titles)
    good = result.exit_code == 0 and result.ended == "exited"
    whole = result.ended == "exited"
    return TestReport(
        {EXIT: "passed" if good else "failed"}, result.exit_code, result.ended, output, "exit", whole
    )


def command_for(recipe: Recipe, files: Sequence[str] | None) -> str:
    """The shell line that runs the tests in these files; formats that take no files run everything."""
    command = recipe.test_command or ""
    if not files:
        return command
    names = list(files)
    if recipe.test_format == "unittest":
        command = command.replace(" discover", "")
        names = [_module(name, command) for name in names]
    elif recipe.test_format == "go":
        folders = sorted({str(PurePosixPath(name).parent) for name in names})
        names = ["./" + folder if folder != "." else "." for folder in folders]
        command = re.sub(r"\s+\./\.\.\.", "", command)
    elif recipe.test_format not in ("pytest", "listing"):
        return command
    return f"{command} {' '.join(shlex.quote(name) for name in names)}"


async def _services_down(sandbox: Sandbox, recipe: Recipe) -> TestReport | None:
    """Start what the tests need beside them; what it said where that does not answer, None where all is up."""
    if not recipe.services:
        return None
    result = await sandbox.run(recipe.services, timeout=_SERVICE_SECONDS)
    if result.exit_code == 0 and result.ended == "exited":
        return None
    return TestReport({}, result.exit_code or 1, result.ended, plain(result.output))


def _command(recipe: Recipe, files: Sequence[str] | None) -> str:
    if recipe.test_command is None:
        raise ValueError("this recipe has no test command: name one with --test-command")
    return command_for(recipe, files)


def _from_xml(result: Result, xml: bytes, source: Literal["sealed", "xml"]) -> TestReport:
    results = read_xml(xml) if xml else None
    whole = results is not None and result.ended == "exited" and _agrees(results, result.exit_code)
    output = plain(result.output)
    return TestReport(results or {}, result.exit_code, result.ended, output, source, whole)


async def _read(sandbox: Sandbox, path: str) -> bytes:
    try:
        return await sandbox.read(path, LARGEST + 1)
    except NotThere:
        return b""


def _refuses_xml(result: Result) -> bool:
    """A project that switches the plug-in off (-p no:junitxml in its addopts)."""
    return (
        result.exit_code == 4 and "unrecognized arguments" in result.output and "--junitxml" in result.output
    )


def _agrees(results: Mapping[str, Outcome], exit_code: int) -> bool:
    """An exit code that says "all well" beside a failed test, or the other way round, is no whole answer."""
    bad = any(outcome in ("failed", "error") for outcome in results.values())
    return bad == (exit_code != 0)


def _module(path: str, command: str) -> str:
    """unittest names modules; Django's runner counts them from its own tests folder."""
    parts = path.removesuffix(".py").split("/")
    if "runtests.py" in command and parts[0] == "tests":
        parts = parts[1:]
    return ".".join(parts)
