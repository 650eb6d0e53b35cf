"""What the repository's own tests say of each candidate, against the unfixed code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from agent import Candidate, KilledSandbox, together
from environments import Task, run_tests
from environments import TestReport as Report
from sandbox import Sandbox

from .applying import Changed, same_change
from .evidence import UNFIXED, Regression
from .layers import patched

EXIT_CODE = "(exit code)"
"""The name of the one test there is where only the test command's exit code is known."""

_PASSED = "passed"
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
) -> Mapping[str, Regression]:
    """A Regression for each candidate that applies and is not empty; none for others.

    The recipe's test command runs twice on the unfixed code. Tests that passed both times are known; those that
    differ are flaky and left out. A known test that a candidate does not pass (failed, gone, not reached) is broken,
    also where the candidate changed that test itself: `touched` says so. Where nothing is known, `error` says why.
    timeout: seconds of one run of the whole command; None: the recipe's. done: told the name of each run that ended.
    Raises the world's errors.
    """
    ids = {candidate.id for candidate in candidates}
    groups = same_change({name: files for name, files in changed.items() if name in ids})
    limit = timeout or task.recipe.test_timeout
    if not groups:
        return {}
    if not task.recipe.test_command:
        return _all(groups, Regression(error="no test command is known"))

    async def run(name: str, files: Changed) -> Report | None:
        async with slots:
            report = await _in_fresh_copy(base, f"regression/{name}", files, task, limit)
        if done:
            done(name)
        return report

    before = await together([run(f"{UNFIXED}-{i}", {}) for i in (1, 2)])
    known, error = _known(before, limit)
    if error:
        return _all(groups, Regression(error=error))
    after = await together([run(group[0], changed[group[0]] or {}) for group in groups])
    found: dict[str, Regression] = {}
    for group, report in zip(groups, after, strict=True):
        regression = _compare(known, report, changed[group[0]] or {})
        found.update(dict.fromkeys(group, regression))
    return found


async def _in_fresh_copy(base: Sandbox, name: str, files: Changed, task: Task, limit: float) -> Report | None:
    """One run of the test command; None where it ended its sandbox, and did so again in fresh ones."""
    copy = await patched(base, name, files, task)
    try:
        return await run_tests(copy, task.recipe, timeout=limit)
    except KilledSandbox:
        return None
    finally:
        await copy.close()


def _known(reports: Sequence[Report | None], limit: float) -> tuple[frozenset[str], str]:
    """The tests that passed in every report, or why there is nothing to compare with."""
    passed = []
    for report in reports:
        if report is None:
            return frozenset(), "the test command ends its sandbox on the unfixed code"
        if report.ended != "exited":
            stopped = _STOPPED.get(report.ended, f"did not end within {limit:g} seconds")
            return frozenset(), f"the test command {stopped} on the unfixed code"
        passed.append(_passed(report))
    if not any(passed):
        code = report.exit_code if report else 0
        return frozenset(), f"no existing test passes on the unfixed code (the test command exits {code})"
    known = frozenset.intersection(*passed)
    return known, "" if known else "no existing test passes twice on the unfixed code"


def _passed(report: Report) -> frozenset[str]:
    if report.results:
        return frozenset(name for name, outcome in report.results.items() if outcome == _PASSED)
    ended_well = report.ended == "exited" and report.exit_code == 0
    return frozenset({EXIT_CODE}) if ended_well else frozenset()


def _compare(known: frozenset[str], report: Report | None, files: Changed) -> Regression:
    if report is not None and known == {EXIT_CODE}:
        report = replace(report, results={})
    broken = tuple(sorted(known - (_passed(report) if report else frozenset())))
    return Regression(
        broken=broken,
        passed=len(known) - len(broken),
        known=len(known),
        touched=tuple(name for name in broken if any(_belongs(name, path) for path in files)),
    )


def _belongs(test: str, path: str) -> bool:
    """Whether a test's name says that it stands in this file: by its path, or by its module's dotted name."""
    module = ".".join(PurePosixPath(path).with_suffix("").parts)
    return test == path or test.startswith(f"{path}::") or ("." in module and f"{module}." in f"{test}.")


def _all(groups: Sequence[Sequence[str]], regression: Regression) -> dict[str, Regression]:
    return {candidate: regression for group in groups for candidate in group}
