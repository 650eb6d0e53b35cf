"""Rows that bring a whole script for their tests: it is run as it is, on files as they were before the test patch."""

from __future__ import annotations

import re
import secrets

from sandbox import Sandbox

from ..test_logs import FORMATS, plain, read_log
from ..test_run import TestReport
from .official_logs import parsed_officially

_START, _END = ">>>>> Start Test Output", ">>>>> End Test Output"
_EXIT = re.compile(r"^>>>>> Test Exit Code: *(-?\d+)", re.MULTILINE)
_FORMATS = {
    "pytest": "pytest",
    "django": "unittest",
    "unittest": "unittest",
    "sympy": "listing",
    "go": "go",
    "cargo": "cargo",
    "rust": "cargo",
    "tap": "tap",
}
"""What our own reader is called for a parser whose name holds the word."""


async def run_script(
    sandbox: Sandbox, script: str, test_format: str, parser: str, repo: str, version: str, timeout: float
) -> TestReport:
    """Run a row's script by bash and read what it prints between its marks, or all of it where it has none.

    test_format: of our own readers, where the row names one. Else the official parser reads it where its package is
    installed, else our reader that its name stands for. Raises SandboxDied.
    """
    place = f"/tmp/winnow-{secrets.token_hex(8)}.sh"
    await sandbox.write(place, script.encode("utf-8", "surrogateescape"), 0o755)
    result = await sandbox.run(f"/bin/bash {place}", timeout=timeout)
    output = plain(result.output)
    log, marked = _between_marks(output)
    code = int(said[-1]) if (said := _EXIT.findall(output)) else result.exit_code
    results, whole = None, True
    if test_format not in FORMATS:
        results = await parsed_officially(log, parser, repo, version)
    if results is None:
        known = next((ours for word, ours in _FORMATS.items() if word in parser.lower()), "pytest")
        results, whole = read_log(test_format if test_format in FORMATS else known, log)
    bad = any(outcome in ("failed", "error") for outcome in results.values())
    # A script's last command is often not the tests: only its own word on their exit code can contradict the results.
    agrees = not said or bad == (code != 0)
    ended = result.ended == "exited" and (marked or _START not in script)
    return TestReport(
        results, code, result.ended, output, "log", bool(results) and whole and agrees and ended
    )


def _between_marks(output: str) -> tuple[str, bool]:
    head, start, rest = output.partition(_START)
    log, end, _ = rest.rpartition(_END)
    return (log, True) if start and end else (output, False)
