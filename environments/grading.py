"""Grading: the hidden tests, which only this file can see, against one patch in a fresh sandbox (SAFETY 3, 4)."""

from __future__ import annotations

import configparser
import secrets
import shlex
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox import Sandbox

from .patches import Change, PatchFails, changes_of, write_changes
from .repository import head_entries
from .safe_git import git
from .task import Task
from .test_logs import Outcome
from .test_run import run_tests


@dataclass(frozen=True, slots=True)
class Gold:
    """What a right patch must achieve. No task, prompt or attempt holds one.

    files: hidden test files by path relative to the repository. fail_to_pass, pass_to_pass: names of tests that must
    pass. test_command, test_format: how to run them; None: the recipe's, on the hidden files.
    """

    files: Mapping[str, bytes]
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...] = ()
    test_command: str | None = None
    test_format: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What grading found. results: the named tests that have one; a missing one counts as failed. reason: why not."""

    resolved: bool
    applied: bool
    results: Mapping[str, Outcome] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    exit_code: int | None = None
    reason: str = ""
    output: str = ""


async def grade(
    base: Sandbox,
    task: Task,
    patch: str,
    gold: Gold,
    *,
    leave_out: Collection[str] = (),
    timeout: float | None = None,
) -> Verdict:
    """Grade a patch in a fresh copy of `base`, a sandbox of the task in which no attempt ever worked.

    The hidden files overwrite what the patch did to them. leave_out: paths of the patch that are not written.
    Raises SandboxDied; a patch that does not apply is a verdict.
    """
    if not patch.strip():
        return Verdict(False, False, reason="the patch is empty")
    try:
        changes = changes_of(task.snapshot.tree, patch)
    except PatchFails as error:
        return Verdict(False, False, reason=f"the patch does not apply: {error}")
    return await _grade(
        base, task, {path: changes[path] for path in changes if path not in leave_out}, gold, timeout
    )


async def grade_twice(
    base: Sandbox, task: Task, patch: str, gold: Gold, *, timeout: float | None = None
) -> tuple[Verdict, Verdict]:
    """(the whole patch, the patch without its changes to test machinery); one run where the two are the same."""
    whole = await grade(base, task, patch, gold, timeout=timeout)
    if not whole.applied:
        return whole, whole
    machinery = test_machinery(task.snapshot.tree, changes_of(task.snapshot.tree, patch))
    if not machinery:
        return whole, whole
    return whole, await grade(base, task, patch, gold, leave_out=machinery, timeout=timeout)


def test_machinery(tree: Path, changes: Mapping[str, Change]) -> tuple[str, ...]:
    """Which changed files decide how tests are run: conftest.py, test settings, what Python runs at its start."""
    return tuple(
        path for path, change in sorted(changes.items()) if _is_machinery(tree, path, change.content)
    )


test_machinery.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest makes of its name


async def _grade(
    base: Sandbox, task: Task, changes: Mapping[str, Change], gold: Gold, timeout: float | None
) -> Verdict:
    nonce = secrets.token_hex(8)
    sandbox = await base.copy(f"grade-{nonce}")
    try:
        await write_changes(sandbox, task.snapshot, changes)
        await _write_hidden(sandbox, task.snapshot.at, gold.files)
        recipe, files = (
            task.recipe,
            [path for path in gold.files if PurePosixPath(path).name != "conftest.py"],
        )
        if gold.test_command is not None:
            recipe = replace(
                recipe, test_command=gold.test_command, test_format=gold.test_format or recipe.test_format
            )
            files = []
        report = await run_tests(sandbox, recipe, files=files, timeout=timeout, nonce=nonce)
    finally:
        await sandbox.close()
    named = (*gold.fail_to_pass, *gold.pass_to_pass)
    results = {name: report.results[name] for name in named if name in report.results}
    missing = tuple(name for name in named if name not in results)
    bad = [name for name in named if results.get(name, "failed") != "passed"]
    reason = ""
    if report.ended != "exited":
        reason = _STOPPED.get(report.ended, "the tests did not end by themselves")
    elif not report.whole:
        reason = f"the test run is not whole (exit code {report.exit_code}): its results prove nothing"
    elif missing:
        reason = f"{len(missing)} named test(s) have no result, such as {missing[0]}"
    elif bad:
        reason = f"{len(bad)} named test(s) do not pass, such as {bad[0]}"
    elif not named:
        reason = "no test is named: nothing is proved"
    return Verdict(not reason, True, results, missing, report.exit_code, reason, report.output)


async def _write_hidden(sandbox: Sandbox, at: str, files: Mapping[str, bytes]) -> None:
    """A folder or anything else that the patch put in a hidden file's place goes first."""
    names = " ".join(shlex.quote(f"{at}/{path}") for path in sorted(files))
    if names:
        await sandbox.run(f"rm -rf -- {names}")
    for path, content in sorted(files.items()):
        await sandbox.write(f"{at}/{path}", content)


_STOPPED = {
    "timeout": "the tests did not end in time",
    "memory": "the tests used more memory than they may",
    "disk": "the tests wrote more to the disk than they may",
}
_MACHINERY = frozenset(
    "conftest.py pytest.ini .pytest.ini tox.ini sitecustomize.py usercustomize.py .coveragerc noxfile.py".split()
)


def _is_machinery(tree: Path, path: str, content: bytes | None) -> bool:
    name = PurePosixPath(path).name
    if name in _MACHINERY or name.endswith(".pth"):
        return True
    if name not in ("setup.cfg", "pyproject.toml"):
        return False
    entry = head_entries(tree).get(path)
    before = git("cat-file", "blob", entry[1], git_dir=tree / ".git") if entry else b""
    return _test_settings(name, before) != _test_settings(name, content or b"")


def _test_settings(name: str, content: bytes) -> Any:
    """The settings of test tools in a file; the whole text where it cannot be read."""
    text = content.decode("utf-8", "replace")
    try:
        if name == "pyproject.toml":
            tool = tomllib.loads(text).get("tool", {})
            return {key: tool[key] for key in ("pytest", "coverage", "tox") if key in tool}
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
        sections = [
            name
            for name in parser.sections()
            if name.startswith(("tool:pytest", "pytest", "coverage", "aliases"))
        ]
        return {section: dict(parser.items(section)) for section in sections}
    except (ValueError, configparser.Error):
        return text
