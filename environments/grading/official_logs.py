"""Reading a log by the official harness's parser, in a process of its own, where its package is installed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..test_outcomes import Outcome, Results

_SECONDS = 120.0
_ROOT = Path(__file__).parents[2]
_WORDS: Mapping[str, Outcome] = {
    "PASSED": "passed",
    "XFAIL": "passed",
    "FAILED": "failed",
    "ERROR": "error",
    "SKIPPED": "skipped",
}


def interpreter() -> str:
    """The interpreter that has the package: $WINNOW_SWEBENCH, by default the one that runs Winnow (extra swebench)."""
    return os.environ.get("WINNOW_SWEBENCH") or sys.executable


async def ask_swebench(question: Mapping[str, str]) -> dict | None:
    """An answer of `environments.swebench_specs`, None where the package is not there or does not answer."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        interpreter(),
        "-m",
        "environments.swebench_specs",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={**environ, "PYTHONPATH": str(_ROOT)},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            said, _ = await process.communicate(json.dumps(question).encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    try:
        return json.loads(said) if process.returncode == 0 else None
    except ValueError:
        return None


async def parsed_officially(log: str, parser: str, repo: str, version: str) -> Results | None:
    """Results by name as the official parser has them, None where there is none."""
    question = {"ask": "parse", "log": log, "parser": parser, "repo": repo, "version": version}
    said = await ask_swebench(question)
    if said is None or said.get("results") is None:
        return None
    return {name: _WORDS.get(word, "error") for name, word in said["results"].items()}
