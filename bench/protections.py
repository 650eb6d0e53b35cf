"""`python -m bench.protections`: take each protection away in turn, and name what no test notices.

A protection that nobody would miss is one that the next change takes away. See docs/development.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox import probe_docker, probe_overlay

from .removal import Removal
from .removal_trial import Trial, try_without
from .removals import REMOVALS

ROOT = Path(__file__).parents[1]
DESCRIPTION = """Take each protection of Winnow's away in turn, in a copy of the checkout, and run the tests that are to
notice. Ends with exit code 1 where one is not noticed."""


def main(argv: Sequence[str] | None = None, removals: Sequence[Removal] = REMOVALS, root: Path = ROOT) -> int:
    """-> the exit code. removals, root: others than Winnow's own, for tests."""
    arguments = _parser().parse_args(argv)
    chosen = [
        one for one in removals if not arguments.only or any(word in one.name for word in arguments.only)
    ]
    if not chosen:
        print(f"no removal is called {' or '.join(arguments.only)}: see --list")
        return 1
    if arguments.list:
        for one in chosen:
            print(f"{one.name}: {' '.join(one.tests)}")
        return 0
    backends = working_backends()
    if not _passes_as_it_is(chosen, root, backends):
        return 1
    noticed = 0
    for one in chosen:
        began = time.monotonic()
        trial = try_without(one.edits, one.tests, root, backends=backends)
        noticed += trial.verdict == "failed"
        print(f"{one.name}: {_said(trial)} ({time.monotonic() - began:.0f} s)", flush=True)
        if arguments.verbose and trial.message:
            print(f"    {trial.message}", flush=True)
    left = len(chosen) - noticed
    print(f"{noticed} of {len(chosen)} removals were noticed" + (f", {left} were not" if left else ""))
    return 1 if left else 0


def working_backends() -> str:
    """The kinds of sandboxes that work here, as tests are told of them."""
    probes = (probe_docker(), asyncio.run(probe_overlay()))
    return " ".join(kind for kind, probe in zip(("docker", "overlay"), probes, strict=True) if probe.works)


def _passes_as_it_is(chosen: Sequence[Removal], root: Path, backends: str) -> bool:
    """Whether the tests pass without a removal: else a failure would prove nothing."""
    tests = list(dict.fromkeys(test for one in chosen for test in one.tests))
    trial = try_without((), tests, root, backends=backends, seconds=3600.0)
    if trial.verdict in ("passed", "skipped"):
        return True
    print(f"without any removal the tests do not pass: {trial.test} {trial.message}")
    return False


def _said(trial: Trial) -> str:
    if trial.verdict == "failed":
        return f"noticed by {trial.test}"
    if trial.verdict == "skipped":
        return "NOT TRIED, all its tests are skipped here"
    if trial.verdict == "error":
        return f"ERROR, {trial.test} {trial.message}"
    return "NOT NOTICED"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.protections", description=DESCRIPTION)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="removals whose names hold one of these words"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the removals and their tests, and run nothing"
    )
    parser.add_argument("--verbose", action="store_true", help="print what the test that noticed said")
    return parser


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM):  # the tests that run are ended, and the copy is removed
        signal.signal(ending, signal.default_int_handler)
    sys.exit(main())
