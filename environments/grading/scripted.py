"""Rows that bring a whole script for their tests: it is run as it is, on files as they were before the test patch."""

from __future__ import annotations

import re
import secrets

from sandbox import Sandbox

from ..test_logs import FORMATS, plain, read_log, read_titles
from ..test_run import TestReport
from .official_logs import parsed_officially

_START, _END = ">>>>> Start Test Output", ">>>>> End Test Output"
_EXIT = ">>>>> Test Exit Code"
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
    nonce = secrets.token_hex(8)
    start, end = f"{_START} {nonce}", f"{_END} {nonce}"  # the tests cannot print these
    place = f"/tmp/winnow-{secrets.token_hex(8)}.sh"
    text = script.replace(_START, start).replace(_END, end).replace(_EXIT, f"{_EXIT} {nonce}")
    await sandbox.write(place, text.encode("utf-8", "surrogateescape"), 0o755)
    result = await sandbox.run(f"/bin/bash {place}", timeout=timeout)
    output = plain(result.output)
    log, marked = _between(output, start, end)
    said = re.findall(rf"^{_EXIT} {nonce}: *(-?\d+)", output, re.MULTILINE)
    code = int(said[-1]) if said else result.exit_code
    ours = test_format if test_format in FORMATS else _format_of(parser)
    results, whole = read_log(ours, log)
    titles = read_titles(ours, log)
    official = None if test_format in FORMATS else await parsed_officially(log, parser, repo, version)
    if official is not None:
        titles = {
            **titles,
            **results,
        }  # what the official parser loses, a test with a docstring, may still be named
        results, whole = official, True
    bad = any(outcome in ("failed", "error") for outcome in results.values())
    # A script's last command is often not the tests: only its own word on their exit code can contradict the results.
    agrees = not said or bad == (code != 0)
    ended = (marked or _START not in script) and (bool(said) or _EXIT not in script)
    whole = bool(results) and whole and agrees and ended and result.ended == "exited"
    return TestReport(results, code, result.ended, output, "log", whole, titles)


def _format_of(parser: str) -> str:
    return next((ours for word, ours in _FORMATS.items() if word in parser.lower()), "pytest")


def _between(output: str, start: str, end: str) -> tuple[str, bool]:
    """What the script printed between its marks; all of it, and False, where these are not both there."""
    _, begun, rest = output.partition(start)
    log, ended, _ = rest.rpartition(end)
    return (log, True) if begun and ended else (output, False)
