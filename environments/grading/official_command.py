"""The official harness's command for rows that bring none, where its package knows the repository and version.

Only for rows in their own image: these commands (tox among them) belong to the environments that the images hold.
"""

from __future__ import annotations

import shlex

from sandbox import Image

from ..instance import Reference
from ..task import Task
from .official_logs import ask_swebench

_SCRIPT = """cd {at}
echo '>>>>> Start Test Output'
{command}
CODE=$?
echo '>>>>> End Test Output'
echo ">>>>> Test Exit Code: $CODE"
"""

_known: dict[tuple[str, str, str], str] = {}


async def official_script(task: Task, reference: Reference) -> str:
    """A script around the official command, to be run with the hidden files in place; "" where there is none."""
    brings = reference.eval_script or reference.test_command
    if brings or not isinstance(task.recipe.root, Image) or not (reference.repo and reference.version):
        return ""
    asked = (reference.repo, reference.version, reference.test_patch)
    if asked not in _known:  # a process takes seconds, and all candidates of a row ask the same
        question = dict(zip(("repo", "version", "test_patch"), asked, strict=True))
        _known[asked] = (await ask_swebench({"ask": "command", **question}) or {}).get("command", "")
    command = _known[asked]
    return _SCRIPT.format(at=shlex.quote(task.snapshot.at), command=command) if command else ""
