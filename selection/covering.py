"""Which existing tests execute the files that candidates touch: seen in one run of the whole suite on the unfixed code.

Where the suite takes long and there are many candidates this pays: each candidate then runs only those tests. It can be
had where pytest runs the tests in Python; else `nearby` has to do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent import KilledSandbox
from environments import Task, is_plain_pytest
from sandbox import NotThere, Sandbox

from .nearby import nearby_tests

_SOURCE = Path(__file__).with_name("covering_inside.py")
_FOLDER = "/tmp/winnow-covering"
_LIMIT = 16 * 2**20
"""Bytes of what the run says at most."""


async def covering_tests(
    base: Sandbox, task: Task, paths: Iterable[str], most: int, *, timeout: float, name: str
) -> tuple[tuple[str, ...], str]:
    """(test files, how they were found), like `nearby_tests`, which says it where nothing is seen.

    paths: what the candidates touch; test files among them are taken, too. most: files at most, those that are near
    first. timeout: seconds of the run. name: of the copy of `base` that it happens in. Raises the world's errors.
    """
    touched, tracked = sorted(set(paths)), set(task.snapshot.files())
    seen, why = await _executing(base, task, touched, timeout, name)
    seen &= tracked
    if not seen:
        files, how = await asyncio.to_thread(nearby_tests, task, touched, most)
        why = f"which tests execute them is not known: {why}" if why else "no test was seen to execute them"
        return files, f"{how} ({why})"
    near = set((await asyncio.to_thread(nearby_tests, task, touched, len(tracked)))[0])
    found = sorted(seen | (near & set(touched)), key=lambda path: (path not in near, path))
    left = f"; {len(found) - most} farther ones left out" if len(found) > most else ""
    return tuple(sorted(found[:most])), (
        f"{len(found[:most])} test files that execute a touched file, or are touched, "
        f"seen in one run of all tests{left}"
    )


async def _executing(
    base: Sandbox, task: Task, touched: Sequence[str], timeout: float, name: str
) -> tuple[set[str], str]:
    """(test files that execute one of these files, "") or (none, why it is not known)."""
    command = task.recipe.test_command or ""
    if task.recipe.test_format != "pytest" or not is_plain_pytest(command):
        return set(), "the tests are not run by pytest alone"
    copy = await base.copy(name)
    try:
        await copy.write(f"{_FOLDER}/winnow_covering.py", _SOURCE.read_bytes())
        await copy.write(f"{_FOLDER}/touched.json", json.dumps(list(touched)).encode())
        if task.recipe.services:
            await copy.run(task.recipe.services)
        result = await copy.run(
            f"export PYTHONPATH={_FOLDER}${{PYTHONPATH:+:$PYTHONPATH}}; {command} -p winnow_covering >/dev/null 2>&1; "
            f"code=$?; cat {_FOLDER}/seen-*.json > {_FOLDER}/all; exit $code",
            timeout=timeout,
        )
        if result.ended != "exited":
            return set(), f"the run did not come to its end, {result.ended}"
        return _read(await copy.read(f"{_FOLDER}/all", _LIMIT)), ""
    except KilledSandbox:
        return set(), "the run ended its sandbox"
    except (NotThere, ValueError):
        return set(), "the run said nothing of it"
    finally:
        await copy.close()


def _read(said: bytes) -> set[str]:
    """The test files in a line of JSON for each process. Raises ValueError where there is none, or something else."""
    lines = [json.loads(line) for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise ValueError("no line of results")
    return {str(test) for line in lines for tests in line.values() for test in tests}
