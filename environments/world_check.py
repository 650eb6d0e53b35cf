"""The check at the start of a run: that the sandbox shows the repository, and that imports find it there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

from sandbox import Sandbox

from .python_layout import import_names
from .task import Task

# With the folder named, git does not ask who owns it: ids may be shifted there.
_GIT = "git --git-dir=.git --work-tree=. -c core.hooksPath=/dev/null -c core.fsmonitor=false"
_SECONDS = 120.0
_MARK = "winnow-imports:"
# Finds modules without running their code; the folder it runs in is no place to import from.
_FIND = """
import sys
sys.path[:] = [part for part in sys.path if part]
import json, os
try:
    from importlib.util import find_spec
except ImportError:  # Python 2
    import imp
    find_spec = None
found = {}
for name in sys.argv[2:]:
    try:
        if find_spec is None:
            places = [imp.find_module(name)[1]]
        else:
            spec = find_spec(name)
            places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
        found[name] = os.path.realpath(places[0]) if places and os.path.exists(places[0]) else None
    except Exception:
        found[name] = None
print("MARK" + json.dumps([os.path.realpath(sys.argv[1]), found]))
""".replace("MARK", _MARK)
_TOOLS = {
    "pytest": '"$(command -v python || command -v python3)" -m pytest --version',
    "go": "go version",
    "cargo": "cargo --version",
}


class WorldWrong(Exception):
    """A sandbox in which attempts would be worthless. The message is a sentence: what is wrong, what to do."""


async def check(sandbox: Sandbox, task: Task) -> tuple[str, ...]:
    """Look at a started sandbox before anything is copied from it; returns notes, a sentence each.

    It also brings git's index up to date there, once for all copies. Raises WorldWrong: the repository is missing or
    changed, or Python code of the repository is imported from elsewhere; SandboxDied.
    """
    notes = await _repository(sandbox, task)
    recipe = task.recipe
    if recipe.test_format in ("pytest", "unittest") or recipe.languages[:1] == ("python",):
        notes += await _imports(sandbox, task)
    if recipe.test_command is None:
        notes.append("no test command is known: existing tests cannot be run")
    elif recipe.test_format in _TOOLS:
        result = await sandbox.run(_TOOLS[recipe.test_format], timeout=_SECONDS)
        if result.exit_code:
            last = result.output.strip().splitlines() or ["no word why"]
            notes.append(
                f"existing tests cannot be run: {recipe.test_format} does not start here ({last[-1][:200]})"
            )
    return tuple(notes)


async def _repository(sandbox: Sandbox, task: Task) -> list[str]:
    at = task.snapshot.at
    there = await sandbox.run(f"test -f {shlex.quote(at)}/.git/HEAD", cwd="/")
    if there.exit_code:
        raise WorldWrong(
            f"the sandbox does not show the repository at {at}: is the folder hidden there by another?"
        )
    script = f"command -v git >/dev/null || exit 77; {_GIT} rev-parse HEAD && {_GIT} status --porcelain"
    said = await sandbox.run(script, cwd=at, timeout=_SECONDS)
    if said.exit_code == 77:
        return ["git is not in the sandbox: attempts work without it"]
    lines = said.output.strip().splitlines()
    if said.exit_code or not lines or lines[0] != task.snapshot.head:
        raise WorldWrong(
            f"the repository in the sandbox is not at {task.snapshot.head[:12]}: {said.output.strip()[-200:]}"
        )
    if len(lines) > 1:
        what = f"{len(lines) - 1} file(s) of the repository differ from the frozen ones, such as {lines[1].strip()}"
        if not task.recipe.setup:
            raise WorldWrong(f"{what}, although nothing ran yet: the image writes into {at}")
        return [f"after the set-up script {what}"]
    return []


async def _imports(sandbox: Sandbox, task: Task) -> list[str]:
    at, names = task.snapshot.at, import_names(task.snapshot.tree)
    if not names:
        return []
    said, answer = await _ask_python(sandbox, at, names)
    if answer is None:
        last = said.strip().splitlines() or ["no word why"]
        return [f"Python does not start in the sandbox ({last[-1][:200]}): its code cannot be run"]
    real_at, found = answer
    installed = ["/site-packages/", "/dist-packages/"]
    if environment := task.recipe.env.get("VIRTUAL_ENV"):
        installed.append(f"{environment}/")  # it may lie in the repository, and another checkout in it
    notes = []
    for name, where in found.items():
        if where is None:
            notes.append(f"{name} cannot be imported as the repository stands")
        elif not where.startswith(real_at + "/"):
            raise WorldWrong(
                f"`import {name}` finds {where} and not the repository at {at} (an installation elsewhere): attempts "
                "would test code that they do not change; install the repository itself, or give --setup"
            )
        elif any(part in where for part in installed):
            raise WorldWrong(
                f"`import {name}` finds the installed copy {where} and not the source: attempts would test code that "
                f"they do not change; install it editable (pip install -e .), or give --setup"
            )
    return notes


async def find_modules(sandbox: Sandbox, at: str, names: Iterable[str]) -> dict[str, str | None]:
    """Where the sandbox's Python finds each module, None for one that it does not; {} where it does not start.

    at: the repository's path; paths in it start with it, whatever links lead there.
    """
    _, answer = await _ask_python(sandbox, at, names)
    if answer is None:
        return {}
    real_at, found = answer
    return {
        name: where if where is None or not where.startswith(real_at) else at + where.removeprefix(real_at)
        for name, where in found.items()
    }


async def _ask_python(
    sandbox: Sandbox, at: str, names: Iterable[str]
) -> tuple[str, tuple[str, dict[str, str | None]] | None]:
    """(what it printed, (the repository's real path, module -> file))."""
    python = '"$(command -v python || command -v python3)"'
    words = " ".join(shlex.quote(word) for word in (at, *names))
    said = await sandbox.run(f"{python} - {words}", stdin=_FIND.encode(), cwd="/tmp", timeout=_SECONDS)
    answers = [line for line in said.output.splitlines() if line.startswith(_MARK)]
    if not answers:
        return said.output, None
    real_at, found = json.loads(answers[-1].removeprefix(_MARK))
    return said.output, (real_at, found)
