"""Test scripts: read from a reply, and run on some state of the code in a fresh copy of a sandbox."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath

from sandbox import Sandbox

from .blocks import Block, ReplyError, read_blocks, unfence
from .candidate import Run, Script

STEM = "winnow_issue_check"
"""The script's file name in the repository's root: one that no repository has and no test runner collects."""

STEADY = {
    "NO_COLOR": "1",
    "TERM": "dumb",
    "PY_COLORS": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
}
"""What every run is told, so that its output is the same each time: no colours, sets in one order."""

_EXTENSIONS = {
    "bash": "sh",
    "bun": "ts",
    "deno": "ts",
    "julia": "jl",
    "lua": "lua",
    "perl": "pl",
    "php": "php",
    "ruby": "rb",
    "rscript": "R",
    "sh": "sh",
    "ts-node": "ts",
    "tsx": "ts",
    "zsh": "sh",
}


class ScriptError(ReplyError):
    """A reply without a usable script. The message lets the model mend it."""


def parse_script(reply: str | Block) -> Script:
    """The script of a reply's one TEST block, or of that block. Raises ScriptError."""
    if isinstance(reply, str):
        try:
            blocks = read_blocks(reply, only=("TEST",))
        except ReplyError as error:
            raise ScriptError(str(error)) from None
        if len(blocks) > 1:
            raise ScriptError(
                f"There are {len(blocks)} TEST blocks in the reply: write one, with the whole script."
            )
        reply = blocks[0]
    lines = list(unfence(reply.lines))
    while lines and not lines[0].strip():
        lines.pop(0)
    if not any(line.strip() for line in lines[lines[:1] != [] and lines[0].startswith("#!") :]):
        raise ScriptError("The TEST block is empty: write the whole script between its marker lines.")
    text = "".join(line + "\n" for line in lines)
    return Script(interpreter=_interpreter(lines[0]), text=text)


def _interpreter(first: str) -> str:
    if not first.startswith("#!"):
        return "python3"
    try:
        words = shlex.split(first[2:])
    except ValueError:
        words = []
    if words and PurePosixPath(words[0]).name == "env":
        words = [word for word in words[1:] if word != "-S" and "=" not in word]
    name = PurePosixPath(words[0]).name if words else ""
    if not re.fullmatch(r"[A-Za-z][\w.+-]*", name):
        raise ScriptError(
            f"The first line `{first[:100]}` names no interpreter: write `#!/usr/bin/env python3`, say."
        )
    return shlex.join([name, *words[1:]])


def script_name(script: Script) -> str:
    """The file name that a script is given; its extension says its language where interpreters look at it."""
    program = script.interpreter.split()[0].lower()
    if program.startswith(("python", "pypy")):
        return f"{STEM}.py"
    if program in ("node", "nodejs"):
        module = re.search(r"^\s*(?:import\s[^(]|import\{|export\s)", script.text, re.MULTILINE)
        return f"{STEM}.{'mjs' if module else 'cjs'}"
    extension = _EXTENSIONS.get(program)
    return f"{STEM}.{extension}" if extension else STEM


async def run_script(
    base: Sandbox,
    name: str,
    script: Script,
    changed: Mapping[str, str | None],
    *,
    timeout: float,
    normalise: Callable[[str], str],
    executable: Collection[str] = (),
    fresh: bool = True,
) -> Run:
    """Run a script at the repository's root in a fresh copy of `base`, with these files changed first.

    name: of the copy. changed: new text by path, None where the file is deleted; `base` may have a patch
    already. executable: paths among them that keep their execute bit. timeout: seconds. fresh: as `Sandbox.copy`
    has it. Raises what the sandbox raises: whoever made it also tries again where it dies (winnow/journaled_sandbox).
    """
    copy = await (base.copy(name) if fresh else base.copy(name, fresh=False))
    try:
        return await _run_in(copy, script, changed, timeout, normalise, executable)
    finally:
        await copy.close()


async def _run_in(
    sandbox: Sandbox,
    script: Script,
    changed: Mapping[str, str | None],
    timeout: float,
    normalise: Callable[[str], str],
    executable: Collection[str],
) -> Run:
    gone = [path for path, text in changed.items() if text is None]
    if gone:
        await sandbox.run(f"rm -f -- {shlex.join(gone)}")
    for path, text in changed.items():
        if text is not None:
            await sandbox.write(path, text.encode("utf-8"), mode=0o755 if path in executable else 0o644)
    file = script_name(script)
    await sandbox.write(file, script.text.encode("utf-8", "replace"), mode=0o755)
    result = await sandbox.run(
        f"exec {script.interpreter} {shlex.quote('./' + file)}", timeout=timeout, env=STEADY
    )
    return Run(result.exit_code, normalise(result.output), result.ended, result.reused)
