"""What an attempt hands on: a patch, a test, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Ending(StrEnum):
    """How a trajectory ended: first by the attempt's doing (a result), then by the world's (retried).

    not needed: nobody's doing, so neither a result nor tried again: others had finished before it.
    """

    FINISHED = "finished"
    STEP_LIMIT = "step limit"
    TIME_LIMIT = "time limit"
    CONTEXT_LIMIT = "context limit"
    COST_LIMIT = "cost limit"
    MALFORMED = "malformed replies"
    STUCK = "stuck"
    GIVEN_UP = "given up"
    KILLED_SANDBOX = "killed its sandbox"

    RATE_LIMIT = "rate limit"
    MODEL_DOWN = "model unreachable"
    SANDBOX_DIED = "sandbox died"
    DISK_FULL = "disk full"
    INTERRUPTED = "interrupted"

    NOT_NEEDED = "not needed"

    @property
    def is_result(self) -> bool:
        return self in _RESULTS


_RESULTS = frozenset(
    {
        Ending.FINISHED,
        Ending.STEP_LIMIT,
        Ending.TIME_LIMIT,
        Ending.CONTEXT_LIMIT,
        Ending.COST_LIMIT,
        Ending.MALFORMED,
        Ending.STUCK,
        Ending.GIVEN_UP,
        Ending.KILLED_SANDBOX,
    }
)


PRESENT, SOLVED = 2, 0
"""Exit codes of a test script: the issue is present, it is solved. Others: something else happened."""


@dataclass(frozen=True, slots=True)
class Script:
    """A stand-alone test of the issue. Exits 2 when the issue is present, 0 when solved, else it crashed.

    interpreter: from the script's first line ("python3", "node", "sh"...). text: the whole script.
    """

    interpreter: str
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a script: exit code, normalised output, and `sandbox.Result.ended` or "killed".

    killed: the script ended its sandbox, and did so again in fresh ones. reused: as in sandbox.Result; it says nothing
    of the script, so runs that differ in nothing else are equal.
    """

    exit_code: int
    output: str
    ended: str = "exited"
    reused: bool = field(default=False, compare=False)

    @property
    def shows_issue(self) -> bool:
        """Whether a test says that the issue is present (exit code 2): one that was stopped says nothing."""
        return self.ended == "exited" and self.exit_code == PRESENT

    @property
    def shows_solved(self) -> bool:
        """Whether a test says that the issue is solved (exit code 0): one that was stopped says nothing."""
        return self.ended == "exited" and self.exit_code == SOLVED


@dataclass(frozen=True, slots=True)
class Candidate:
    """One attempt's outcome. id: the trajectory's name ("attempt-3").

    patch: git-style unified diff against the snapshot's HEAD, "" where nothing was changed.
    test: the attempt's last test; test_before: its run on the unfixed code; None where it has none.
    calls: model calls made.
    """

    id: str
    patch: str
    test: Script | None = None
    test_before: Run | None = None
    ending: Ending = Ending.FINISHED
    detail: str = ""
    calls: int = 0
