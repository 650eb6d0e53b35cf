"""The shell: one command at the repository's root, its output with head and tail."""

from __future__ import annotations

import shlex

from ..normalising import cut_middle
from .workplace import ToolError, Workplace

LONGEST = 100_000
"""Characters of a command at most: it is one argument, of which Linux takes 128 KiB."""


async def bash(work: Workplace, command: str) -> str:
    """Run a command in a new bash (sh where there is none); how it ended is the last line."""
    if not command.strip():
        raise ToolError("The command is empty.")
    if "\0" in command:
        raise ToolError("The command has a NUL character in it, which no shell takes.")
    if len(shlex.quote(command).encode()) > LONGEST:
        raise ToolError(
            f"The command has more than {LONGEST} bytes: write the file with `create`, and run that."
        )
    shell = 's=$(command -v bash) || s=sh; exec "$s" -c '
    result = await work.run(shell + shlex.quote(command), work.timeout)
    output = cut_middle(work.normalise(result.output).rstrip("\n"), work.chars)
    match result.ended:
        case "timeout":
            ended = (
                f"[stopped after {work.timeout:g} seconds, and every process it had started with it: "
                "run less at a time]"
            )
        case "memory":
            ended = "[stopped: it used more memory than there is]"
        case "disk":
            ended = "[stopped: it wrote more to the disk than it may]"
        case _:
            ended = f"[exit code {result.exit_code}]"
    return f"{output}\n{ended}" if output.strip() else f"(no output)\n{ended}"
