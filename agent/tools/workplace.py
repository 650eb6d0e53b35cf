"""Where tools work: one sandbox of one trajectory, and what they remember from one call to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox import Result, Sandbox

from ..scripts import STEADY

ENVIRONMENT = {
    **STEADY,
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MANPAGER": "cat",
    "LESS": "-FRX",
    "GIT_TERMINAL_PROMPT": "0",
    "PIP_PROGRESS_BAR": "off",
    "TQDM_DISABLE": "1",
}
"""What every command is told besides: output that is the same each time, and nothing that waits for a key."""
_OWN_TIMEOUT = 60.0
"""Seconds for what the editor and the search run themselves."""


class ToolError(Exception):
    """A call that cannot be carried out. The message is the reason, in words that let the model mend it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A file before and after the editor changed it. before: None where it was not there."""

    before: bytes | None
    after: bytes
    mode: int


@dataclass(slots=True)
class Workplace:
    """What the tools of one trajectory share. The sandbox's commands and relative paths start at the repository's root.

    root: its absolute path in the sandbox. normalise: makes a command's output the same each time.
    timeout: seconds for one command. chars: of one observation at most. edits: the editor's, by path, oldest first.
    reached: how often the editor brought a file to the very content. seconds: that commands have taken. submitted:
    None until the agent submits, then the names of its own scratch files.
    """

    sandbox: Sandbox
    root: str
    normalise: Callable[[str], str]
    timeout: float = 90.0
    chars: int = 16_000
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    reached: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    seconds: float = 0.0
    submitted: tuple[str, ...] | None = None

    async def run(self, command: str, timeout: float | None = None) -> Result:
        """Run a shell command at the repository's root and count its time."""
        result = await self.sandbox.run(command, timeout=timeout or _OWN_TIMEOUT, env=ENVIRONMENT)
        self.seconds += result.seconds
        return result
