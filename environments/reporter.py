"""A test run's results under a seal: what the code under test prints, or writes into a report, earns nothing.

A reporter (`reporter_inside.py`) is loaded by the interpreter of the tests before any code of the repository. It holds
a key that is nowhere else in the sandbox any more, and seals the results when the runner has come to its end: a report
that somebody else wrote, or changed afterwards, or a run that ended early, has no right seal. It cannot stand against
code that searches the interpreter's memory for the key, or changes the runner in memory: the audit looks for these.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from sandbox import NotThere, Sandbox

from .test_outcomes import Outcome, Results, merge
from .unittest_log import unittest_name

Runner = Literal["pytest", "unittest"]
_LIMIT = 64 * 2**20
_NOT_PLAIN = re.compile(r"[;&|<>$`()\n\\]")
_SOURCE = Path(__file__).with_name("reporter_inside.py")
_PLUGIN = b"""import sitecustomize

if hasattr(sitecustomize, "take_hook"):  # not in a worker
    pytest_unconfigure = sitecustomize.take_hook()
"""


@dataclass(frozen=True, slots=True)
class Reporter:
    """A reporter laid into a sandbox. folder: its place there. key: known to it and to us, for one test run."""

    runner: Runner
    folder: str
    key: bytes

    def around(self, command: str) -> str:
        """The command that runs the tests with the reporter."""
        line = f"export PYTHONPATH={self.folder}${{PYTHONPATH:+:$PYTHONPATH}}; {command}"
        if self.runner == "pytest":
            line += f" -p winnow_reporter --junitxml={self.folder}/report -o junit_family=xunit1"
        return line

    async def report(self, sandbox: Sandbox) -> bytes | None:
        """What the run reported, None where there is no report or its seal is not right."""
        try:
            content = await sandbox.read(f"{self.folder}/report", _LIMIT)
            seal = await sandbox.read(f"{self.folder}/seal", 1000)
        except NotThere:
            return None
        wanted = hmac.new(self.key, content, hashlib.sha256).hexdigest().encode()
        return content if hmac.compare_digest(seal, wanted) else None


async def lay(sandbox: Sandbox, runner: Runner) -> Reporter:
    """Put a reporter with a fresh key into a sandbox in which nothing of the candidate has run yet."""
    reporter = Reporter(runner, f"/tmp/winnow-{secrets.token_hex(8)}", secrets.token_bytes(32))
    await sandbox.write(f"{reporter.folder}/sitecustomize.py", _SOURCE.read_bytes())
    if runner == "pytest":
        await sandbox.write(f"{reporter.folder}/winnow_reporter.py", _PLUGIN)
    await sandbox.write(f"{reporter.folder}/key", reporter.key)
    return reporter


def runner_of(test_format: str, command: str) -> Runner | None:
    """Whose reporter can be put around a command: options can be added at its end, and Python starts with our path."""
    if test_format == "pytest" and is_plain_pytest(command) and not _own_path(command):
        return "pytest"
    if test_format == "unittest" and _is_plain_python(command) and not _own_path(command):
        return "unittest"
    return None


def is_plain_pytest(command: str) -> bool:
    """Whether options can be added at the command's end, and it is pytest that gets them."""
    words = _words(command)
    if any(word.startswith(("--junit", "--junitxml")) or word == "no:junitxml" for word in words):
        return False
    return any(PurePosixPath(word).name in ("pytest", "py.test") for word in words)


def unittest_results(content: bytes) -> tuple[Results, Results]:
    """(results by name as `unittest_log` has them, results by the first lines of docstrings)."""
    told: list[tuple[str, str, Outcome]] = json.loads(content)
    return (
        merge((unittest_name(name), outcome) for name, _, outcome in told),
        merge((title, outcome) for _, title, outcome in told if title),
    )


def _is_plain_python(command: str) -> bool:
    words = [word for word in _words(command) if not re.match(r"\w+=", word)]
    return bool(words) and (
        PurePosixPath(words[0]).name.startswith("python") or PurePosixPath(words[0]).suffix == ".py"
    )


def _own_path(command: str) -> bool:
    """A command that sets its own path, or an interpreter that is told to ignore ours."""
    return bool(re.search(r"\bPYTHONPATH=|\bpython[\d.]*\s+(?:-\S+\s+)*-[a-zA-Z]*[EIS]", command))


def _words(command: str) -> list[str]:
    if _NOT_PLAIN.search(command):
        return []
    try:
        return shlex.split(command)
    except ValueError:
        return []
