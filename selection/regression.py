"""What the repository's own tests say of each candidate, against the unfixed code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from agent import Candidate, KilledSandbox, together
from environments import Anew, Groundwork, Task, command_for, run_tests
from environments import TestReport as Report
from sandbox import Sandbox

from .applying import Changed, same_change
from .covering import covering_tests
from .evidence import UNFIXED, Existing, Regression
from .layers import patched
from .nearby import nearby_tests

EXIT_CODE = "(exit code)"
"""The name of the one test there is where only the test command's exit code is known."""

Which = Literal["all", "near", "covering"]
VERSION = 1
"""Of what is kept of the unfixed code: raise it when tests are run, or read, otherwise."""
_PASSED = "passed"
_MISSING = "missing"
_LEFT_OUT = "; left out, since they pass nothing here and stop the others: "
_STOPPED = {"memory": "used more memory than it may", "disk": "wrote more to the disk than it may"}


async def run_regressions(
    base: Sandbox,
    task: Task,
    candidates: Sequence[Candidate],
    changed: Mapping[str, Changed | None],
    *,
    slots: asyncio.Semaphore,
    timeout: float | None = None,
    done: Callable[[str], None] | None = None,
    which: Which = "all",
    most: int = 40,
    before: int = 2,
    known: Existing | None = None,
    groundwork: Groundwork | None = None,
) -> tuple[Mapping[str, Regression], Existing | None]:
    """A Regression for each candidate that applies and is not empty, and what each test said; none for others.

    The recipe's tests run `before` times on the unfixed code. Those that passed each time are known; those that differ
    are flaky and left out. A known test that a candidate does not pass (failed, gone, not reached) is broken, also
    where the candidate changed that test itself: `touched` says so. Where nothing is known, `error` says why. Where
    several files together pass nothing, one of them may stop the whole run (tests of a database that is not here):
    those that pass nothing by themselves are then left out.

    which: the whole suite, or the test files near what the candidates touch (`nearby`), or those that execute it
    (`covering`), `most` of them. known: what an earlier gathering found; a candidate that is in it is not run again,
    where the tests are the same. timeout: seconds of one run of the tests; None: the recipe's. done: told the name of
    each run that ended. groundwork: who may know what the tests say of the unfixed code. Raises the world's errors.
    """
    ids = {candidate.id for candidate in candidates}
    groups = same_change({name: files for name, files in changed.items() if name in ids})
    groundwork = groundwork or Anew()
    limit = timeout or task.recipe.test_timeout
    if not groups:
        return {}, known
    if not task.recipe.test_command:
        return _all(groups, Regression(error="no test command is known")), None
    async with slots:
        files, found = await _tests_to_run(base, task, changed, which, most, limit, groundwork)
    if known is not None and known.unfixed and known.found.startswith(f"{found}{_LEFT_OUT}"):
        files, found = known.files, known.found
    if known is not None and (known.files != files or not known.unfixed):
        known = None

    async def run(name: str, changes: Changed, files: Sequence[str]) -> Report | None:
        async with slots:
            report = await _in_fresh_copy(base, f"regression/{name}", changes, task, limit, files)
        if done:
            done(name)
        return report

    if known is None:
        about = [VERSION, task.recipe.test_command, task.recipe.test_format, limit, before, list(files)]
        said = await groundwork.once(
            "existing tests", about, partial(_on_unfixed, run, files, before, limit), keep=_says_something
        )
        files = tuple(said["files"])
        if said["left"]:
            found = f"{found}{_LEFT_OUT}{', '.join(said['left'])}"
        if said["error"]:
            return _all(groups, Regression(error=said["error"])), Existing(found, files)
        known = Existing(found, files, said["unfixed"], tuple(said["flaky"]))
    differs = dict(known.differs)
    missing = [group for group in groups if not any(name in differs for name in group)]
    after = await together([run(group[0], changed[group[0]] or {}, files) for group in missing])
    by_first = {group[0]: _differences(known, report) for group, report in zip(missing, after, strict=True)}
    for group in groups:
        seen = by_first[group[0]] if group in missing else next(differs[n] for n in group if n in differs)
        differs.update(dict.fromkeys(group, seen))
    existing = replace(known, differs=differs)
    return {
        name: regression_of(existing, name, changed[name] or {}) for group in groups for name in group
    }, existing


def regression_of(existing: Existing, candidate: str, files: Collection[str]) -> Regression:
    """What the tests say of one candidate in sum. files: those that it changes."""
    known = {test for test, outcome in existing.unfixed.items() if outcome == _PASSED} - set(existing.flaky)
    broken = tuple(sorted(test for test in known if existing.outcome(candidate, test) != _PASSED))
    return Regression(
        broken=broken,
        passed=len(known) - len(broken),
        known=len(known),
        touched=tuple(name for name in broken if any(_belongs(name, path) for path in files)),
    )


async def _tests_to_run(
    base: Sandbox,
    task: Task,
    changed: Mapping[str, Changed | None],
    which: Which,
    most: int,
    limit: float,
    groundwork: Groundwork,
) -> tuple[tuple[str, ...], str]:
    whole = f"the test command that the recipe knows: {task.recipe.test_command}"
    if which == "all":
        return (), whole
    paths = {path for files in changed.values() for path in files or {}}
    if which == "covering":
        name = "regression/covering"
        files, how = await covering_tests(
            base, task, paths, most, timeout=limit, name=name, groundwork=groundwork
        )
    else:
        files, how = await asyncio.to_thread(nearby_tests, task, paths, most)
    if files and command_for(task.recipe, files) == task.recipe.test_command:
        return (), f"{whole}, which takes no file names"
    return files, how


async def _in_fresh_copy(
    base: Sandbox, name: str, changes: Changed, task: Task, limit: float, files: Sequence[str]
) -> Report | None:
    """One run of the tests; None where it ended its sandbox, and did so again in fresh ones."""
    copy = await patched(base, name, changes, task)
    try:
        return await run_tests(copy, task.recipe, files=files or None, timeout=limit)
    except KilledSandbox:
        return None
    finally:
        await copy.close()


def _nothing(reports: Sequence[Report | None], limit: float) -> str:
    """Why there is nothing to compare with, "" where there is something."""
    passed = []
    for report in reports:
        if report is None:
            return "the test command ends its sandbox on the unfixed code"
        if report.ended != "exited":
            stopped = _STOPPED.get(report.ended, f"did not end within {limit:g} seconds")
            return f"the test command {stopped} on the unfixed code"
        passed.append({name for name, outcome in _outcomes(report).items() if outcome == _PASSED})
    if not any(passed):
        code = reports[-1].exit_code if reports and reports[-1] else 0
        return f"no existing test passes on the unfixed code (the test command exits {code})"
    return "" if set.intersection(*passed) else "no existing test passes twice on the unfixed code"


async def _on_unfixed(
    run: Callable[[str, Changed, Sequence[str]], Awaitable[Report | None]],
    files: Sequence[str],
    before: int,
    limit: float,
) -> dict[str, Any]:
    """What the tests say of the unfixed code, which is the same for all issues of a repository, as JSON can hold it.

    files: those that were run; left: those that were left out; error: why there is nothing to compare with, else
    unfixed: the first run's outcomes, and flaky: the names whose outcome is another, or none, in a further one.
    """
    reports = await together([run(f"{UNFIXED}-{i}", {}, files) for i in range(1, before + 1)])
    error, left = _nothing(reports, limit), []
    if error and len(files) > 1:
        alone = await together([run(f"alone/{file}", {}, [file]) for file in files])
        kept = [file for file, report in zip(files, alone, strict=True) if not _nothing([report], limit)]
        if kept:
            left = [file for file in files if file not in kept]
            files = kept
            reports = await together([run(f"{UNFIXED}-again-{i}", {}, files) for i in range(1, before + 1)])
            error = _nothing(reports, limit)
    said = {"files": list(files), "left": left, "error": error}
    if error:
        return said
    existing = _unfixed(reports, "", ())
    return {**said, "unfixed": dict(existing.unfixed), "flaky": list(existing.flaky)}


def _unfixed(reports: Sequence[Report | None], found: str, files: tuple[str, ...]) -> Existing:
    """The first run's outcomes, and the names whose outcome is another, or none, in a further one."""
    runs = [_outcomes(report) for report in reports if report is not None]
    names = sorted({name for run in runs for name in run})
    return Existing(
        found=found,
        files=files,
        unfixed={name: runs[0].get(name, _MISSING) for name in names},
        flaky=tuple(name for name in names if len({run.get(name) for run in runs}) > 1),
    )


def _says_something(said: dict[str, Any]) -> bool:
    """Whether it is worth keeping: what stopped the tests may be gone the next time (a busy machine, say)."""
    return not said["error"]


def _outcomes(report: Report) -> Mapping[str, str]:
    """By test; where the runner named none, the exit code is the one test there is."""
    if report.results:
        return report.results
    return {EXIT_CODE: _PASSED if report.ended == "exited" and report.exit_code == 0 else "failed"}


def _differences(existing: Existing, report: Report | None) -> Mapping[str, str]:
    """The outcomes that are not the unfixed code's. A run that ended its sandbox reached no test."""
    if report is not None and set(existing.unfixed) == {EXIT_CODE}:
        report = replace(report, results={})
    seen = _outcomes(report) if report is not None else {}
    return {
        name: seen.get(name, _MISSING)
        for name, outcome in existing.unfixed.items()
        if seen.get(name, _MISSING) != outcome
    }


def _belongs(test: str, path: str) -> bool:
    """Whether a test's name says that it stands in this file: by its path, or by its module's dotted name."""
    module = ".".join(PurePosixPath(path).with_suffix("").parts)
    return test == path or test.startswith(f"{path}::") or ("." in module and f"{module}." in f"{test}.")


def _all(groups: Sequence[Sequence[str]], regression: Regression) -> dict[str, Regression]:
    return {candidate: regression for group in groups for candidate in group}
