"""Running tests on a copy of the checkout in which a protection was taken away.

Never on the checkout itself: whoever works there would have it open meanwhile. Protections live in child processes too
(the launcher, the exec server), which take their code from where the module that starts them lies; so a whole copy goes
before everything else on Python's path, also before the installed Winnow.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .removal import DoesNotApply, Edit, apply

SECONDS = 420.0
"""In which the tests of one removal end."""

GRACE = 60.0
"""Seconds in which tests that were interrupted tidy up."""

BREAKS = (
    "NameError",
    "UnboundLocalError",
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "AttributeError",
    "sandbox.protocol.CannotStart",
    "sandbox.protocol.SandboxDied",
    "Failed: WINNOW_TEST_BACKENDS",
)
"""What tells of code that is broken, and not of a protection that is gone."""

Verdict = Literal["passed", "failed", "skipped", "error"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What the tests said. test, message: of the first that failed; of an error, what went wrong."""

    verdict: Verdict
    test: str = ""
    message: str = ""


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """A copy of a checkout's files, tracked and new ones, in a temporary folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.TemporaryDirectory(prefix="protections-") as folder:
        copy = Path(folder) / root.name
        for name in map(os.fsdecode, filter(None, listed.split(b"\0"))):
            if os.path.lexists(root / name):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, copy / name, follow_symlinks=False)
        if (root / ".venv").is_dir():  # programs that tests start lie there
            (copy / ".venv").symlink_to(root / ".venv")
        yield copy


def try_without(
    edits: Sequence[Edit], tests: Sequence[str], root: Path, *, backends: str = "", seconds: float = SECONDS
) -> Trial:
    """Run tests on a copy with these edits, to the first that fails.

    backends: kinds of sandboxes that work, so that a test which finds one that does not is no skipped one.
    """
    with copied(root) as copy:
        try:
            for edit in edits:
                apply(edit, copy)
        except DoesNotApply as error:
            return Trial("error", message=str(error))
        return _run(copy, tests, backends, seconds)


def _run(copy: Path, tests: Sequence[str], backends: str, seconds: float) -> Trial:
    report = copy.parent / "report.xml"
    words = ["-x", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", f"--basetemp={copy.parent}/tmp"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *words, *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "WINNOW_TEST_BACKENDS": backends},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=seconds)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        return Trial("error", message=f"the tests did not end within {seconds:.0f} s")
    finally:
        _end(process)
    if process.returncode not in (0, 1) or not report.exists():
        last = " ".join(said.split()[-40:])
        return Trial("error", message=f"pytest ended with exit code {process.returncode}: {last}")
    return _read(report)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what still runs: first as Ctrl-C does, so that sandboxes and fixtures are tidied up."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=GRACE)


def _read(report: Path) -> Trial:
    passed = 0
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag: child for child in case}
        bad = kinds.get("failure", kinds.get("error"))
        if bad is not None:
            name = f"{(case.get('classname') or '').replace('.', '/')}.py::{case.get('name')}"
            message = " ".join((bad.get("message") or "").split())
            broken = message.removeprefix("failed on setup with ").strip('"').startswith(BREAKS)
            return Trial("error" if broken else "failed", name, message[:300])
        passed += "skipped" not in kinds
    return Trial("passed" if passed else "skipped")
