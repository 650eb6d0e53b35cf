"""One run of the hidden tests against one patch, in a fresh copy of the prepared world (SAFETY 4)."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Protocol

from sandbox import Sandbox

from ..patches import Change, PatchFails, changes_of, write_changes
from ..task import Recipe, Task
from ..test_run import TestReport, run_sealed
from .gold import Gold
from .machinery import test_machinery
from .names import outcomes_of
from .scripted import run_script
from .verdicts import NamedOutcome


class Copies(Protocol):
    """A prepared world that nobody worked in: a sandbox, or what starts one when the first copy is wanted."""

    async def copy(self, name: str) -> Sandbox: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run found. results: every named test, "missing" where the run says nothing of it (counts as failed).

    applied: the patch could be applied, so tests ran. whole: the run came to its end by itself and nothing in it
    contradicts itself; without that its results prove nothing. reason: why not resolved. seconds: wall time.
    """

    resolved: bool
    applied: bool
    results: Mapping[str, NamedOutcome] = field(default_factory=dict)
    whole: bool = False
    exit_code: int | None = None
    reason: str = ""
    output: str = ""
    seconds: float = 0.0

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name, outcome in self.results.items() if outcome == "missing")


async def grade(
    base: Copies,
    task: Task,
    patch: str,
    gold: Gold,
    *,
    leave_out: Collection[str] = (),
    timeout: float | None = None,
) -> Verdict:
    """Grade a patch in a fresh copy of `base`, in which no attempt ever worked.

    The hidden files overwrite what the patch did to them. leave_out: paths of the patch that are not written.
    timeout: seconds, the recipe's by default. Raises SandboxDied; a patch that does not apply is a verdict.
    """
    if not patch.strip():
        return Verdict(False, False, reason="the patch is empty")
    try:
        changes = changes_of(task.snapshot.tree, patch)
    except PatchFails as error:
        return Verdict(False, False, reason=f"the patch does not apply: {error}")
    changes = {path: change for path, change in changes.items() if path not in leave_out}
    return await try_changes(base, task, changes, gold, timeout=timeout)


async def grade_twice(
    base: Copies, task: Task, patch: str, gold: Gold, *, timeout: float | None = None
) -> tuple[Verdict, Verdict]:
    """(the whole patch, the patch without its changes to test machinery); one run where the two are the same."""
    whole = await grade(base, task, patch, gold, timeout=timeout)
    if not whole.applied:
        return whole, whole
    machinery = test_machinery(task.snapshot.tree, changes_of(task.snapshot.tree, patch))
    if not machinery:
        return whole, whole
    return whole, await grade(base, task, patch, gold, leave_out=machinery, timeout=timeout)


async def try_changes(
    base: Copies, task: Task, changes: Mapping[str, Change], gold: Gold, *, timeout: float | None = None
) -> Verdict:
    """Run the hidden tests on the code with these changes; no changes: the unfixed code."""
    began = time.monotonic()
    sandbox = await base.copy(f"grade-{secrets.token_hex(4)}")
    try:
        await write_changes(sandbox, task.snapshot, changes)
        await _write_hidden(sandbox, task, changes, gold.files)
        report = await _run(sandbox, task.recipe, gold, timeout)
    finally:
        await sandbox.close()
    results = outcomes_of(gold.named(), report.results, report.titles)
    reason = _reason(report, results, gold)
    return Verdict(
        resolved=not reason,
        applied=True,
        results=results,
        whole=report.whole and report.ended == "exited",
        exit_code=report.exit_code,
        reason=reason,
        output=report.output,
        seconds=time.monotonic() - began,
    )


async def _run(sandbox: Sandbox, recipe: Recipe, gold: Gold, timeout: float | None) -> TestReport:
    """Run the hidden tests as the row says, else as the recipe does."""
    seconds = recipe.test_timeout if timeout is None else timeout
    how = gold.test_format or recipe.test_format
    if gold.script:
        said = gold.test_format or ""
        return await run_script(sandbox, gold.script, said, gold.log_parser, gold.repo, gold.version, seconds)
    if gold.test_command is not None:
        return await run_sealed(
            sandbox, replace(recipe, test_command=gold.test_command, test_format=how), timeout=seconds
        )
    return await run_sealed(sandbox, recipe, files=gold.to_run(), timeout=seconds)


def is_kept(outcome: NamedOutcome) -> bool:
    """Whether a test that passed before is no regression now: the official harness lets it be skipped."""
    return outcome in ("passed", "skipped")


def _reason(report: TestReport, results: Mapping[str, NamedOutcome], gold: Gold) -> str:
    """Why this run does not resolve the issue, "" where it does."""
    wanted = frozenset(gold.fail_to_pass)
    wrong = [
        name for name, how in results.items() if not (how == "passed" or name not in wanted and is_kept(how))
    ]
    missing = [name for name in wrong if results[name] == "missing"]
    bad = [name for name in wrong if results[name] != "missing"]
    if report.ended != "exited":
        return _STOPPED.get(report.ended, "the tests did not end by themselves")
    if not report.whole:
        return f"the test run is not whole (exit code {report.exit_code}): its results prove nothing"
    if bad:
        return f"{len(bad)} named test(s) do not pass, such as {bad[0]}"
    if missing:
        return f"{len(missing)} named test(s) have no result, such as {missing[0]}"
    return "" if results else "no test is named: nothing is proved"


_STOPPED = {
    "timeout": "the tests did not end in time",
    "memory": "the tests used more memory than they may",
    "disk": "the tests wrote more to the disk than they may",
}


async def _write_hidden(
    sandbox: Sandbox, task: Task, changes: Mapping[str, Change], files: Mapping[str, Change]
) -> None:
    """Put the hidden files where they belong; whatever the patch put in their way goes first.

    That is a folder in a file's place, and a file in the place of a folder above it.
    """
    at = task.snapshot.at
    above = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    in_the_way = [*sorted(above & changes.keys()), *sorted(files)]
    if in_the_way:
        names = " ".join(shlex.quote(f"{at}/{path}") for path in in_the_way)
        removed = await sandbox.run(f"rm -rf -- {names}")
        if removed.exit_code:
            raise PatchFails(f"hidden tests cannot be put in place: {removed.output.strip()[-200:]}")
    there = {path: change for path, change in files.items() if change.content is not None}
    await write_changes(sandbox, task.snapshot, there)
