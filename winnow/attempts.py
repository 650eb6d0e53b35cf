"""What every reading of a run agrees on: which trajectories make candidates, whose doing an ending was.
Quick to import: nothing else is.
"""

from __future__ import annotations

NOT_GRADED = "could not be graded"
"""The verdict that says nothing of the patch (environments/grading)."""
WORLD, OWN, OPEN, NOBODY = (
    "the world's",
    "the attempt's",
    "nobody's: not ended",
    "nobody's: stopped for others",
)
"""Whose fault an ending is (DESIGN, idea 5)."""
_NO_ATTEMPTS = ("selection-", "redone-", "weigh-", "think-")


def is_attempt(trajectory: str) -> bool:
    """Whether a trajectory makes a candidate: no context or other thought, no weighing, none that was set aside."""
    return trajectory != "context" and not trajectory.startswith(_NO_ATTEMPTS)


def fault_of(ending: str | None, is_result: bool) -> str:
    """Whose doing an ending was; None: it has not ended."""
    if ending is None:
        return OPEN
    if ending == "not needed":  # agent.Ending.NOT_NEEDED
        return NOBODY
    return OWN if is_result else WORLD
