"""Which existing tests execute the files that candidates touch: seen in one run of the whole suite on the unfixed code.

Where the suite takes long and there are many candidates this pays: each candidate then runs only those tests. What each
test file executes is seen of all files at once, so that the repository's other issues have it too. It can be had where
pytest runs the tests in Python; else `nearby` has to do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agent import KilledSandbox
from environments import Anew, Groundwork, Task, is_plain_pytest
from environments.foreign_text import parse_json
from sandbox import NotThere, Sandbox

from .nearby import nearby_tests

VERSION = 1
"""Of what is kept: raise it when it is found out, or said, otherwise."""
_SOURCE = Path(__file__).with_name("covering_inside.py")
_FOLDER = "/tmp/winnow-covering"
_LIMIT = 8 * 2**20
"""Bytes of what the run says at most."""


async def covering_tests(
    base: Sandbox,
    task: Task,
    paths: Iterable[str],
    most: int,
    *,
    timeout: float,
    name: str,
    groundwork: Groundwork | None = None,
) -> tuple[tuple[str, ...], str]:
    """(test files, how they were found), like `nearby_tests`, which says it where nothing is seen.

    paths: what the candidates touch; test files among them are taken, too. most: files at most, those that are near
    first. timeout: seconds of the run. name: of the copy of `base` that it happens in. groundwork: who may have seen it
    already. Raises the world's errors.
    """
    touched, tracked = sorted(set(paths)), set(task.snapshot.files())
    told = await (groundwork or Anew()).once(
        "covering tests",
        [VERSION, task.recipe.test_command, task.recipe.test_format, timeout],
        partial(
            _executing, base, task, [path for path in sorted(tracked) if path.endswith(".py")], timeout, name
        ),
        keep=lambda told: not told["why"],
        pick=partial(_about, touched),
    )
    seen, why = {test for tests in told["seen"].values() for test in tests} & tracked, told["why"]
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
    base: Sandbox, task: Task, files: Sequence[str], timeout: float, name: str
) -> dict[str, Any]:
    """seen: by each of these files the test files that execute it; why: why that is not known, "" where it is."""
    command = task.recipe.test_command or ""
    if task.recipe.test_format != "pytest" or not is_plain_pytest(command):
        return _not_known("the tests are not run by pytest alone")
    copy = await base.copy(name)
    try:
        await copy.write(f"{_FOLDER}/winnow_covering.py", _SOURCE.read_bytes())
        await copy.write(f"{_FOLDER}/files.json", json.dumps(list(files)).encode())
        if task.recipe.services:
            await copy.run(task.recipe.services)
        result = await copy.run(
            f"export PYTHONPATH={_FOLDER}${{PYTHONPATH:+:$PYTHONPATH}}; {command} -p winnow_covering >/dev/null 2>&1; "
            f"code=$?; cat {_FOLDER}/seen-*.json > {_FOLDER}/all; exit $code",
            timeout=timeout,
        )
        if result.ended != "exited":
            return _not_known(f"the run did not come to its end, {result.ended}")
        return {"seen": _read(await copy.read(f"{_FOLDER}/all", _LIMIT)), "why": ""}
    except KilledSandbox:
        return _not_known("the run ended its sandbox")
    except (NotThere, ValueError):
        return _not_known("the run said nothing of it")
    finally:
        await copy.close()


def _about(touched: Sequence[str], told: dict[str, Any]) -> dict[str, Any]:
    """What is said of the touched files alone."""
    return {
        "seen": {path: told["seen"][path] for path in touched if path in told["seen"]},
        "why": told["why"],
    }


def _not_known(why: str) -> dict[str, Any]:
    return {"seen": {}, "why": why}


def _read(said: bytes) -> dict[str, list[str]]:
    """By file the test files that execute it, from a line of JSON for each process. Raises ValueError where there is no
    line, or something else."""
    lines = [
        parse_json(line, _LIMIT) for line in said.decode("utf-8", "replace").splitlines() if line.strip()
    ]
    if not lines or not all(
        isinstance(line, dict) and all(isinstance(tests, list) for tests in line.values()) for line in lines
    ):
        raise ValueError("no line of results")
    paths = sorted({str(path) for line in lines for path in line})
    return {path: sorted({str(test) for line in lines for test in line.get(path, ())}) for path in paths}
