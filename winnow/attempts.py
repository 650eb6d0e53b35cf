"""What every reading of a run agrees on: which trajectories make candidates, whose doing an ending was, what stored
bodies and configurations say. Quick to import: nothing else is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def model_of(config: Mapping[str, Any]) -> str:
    """A configuration's model; of a recording, a rules file or a gguf file its name, not where it lies here."""
    from models import is_gguf

    said = config.get("model")
    name = str(said.get("name", "") if isinstance(said, dict) else said or "")
    return Path(name).name if is_gguf(name) else re.sub(r"^(replay|deterministic):.*/", r"\1:", name)


def as_object(value: Any) -> dict[str, Any]:
    """A JSON object, from text or as it is; {} for whatever is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value else {}
        except ValueError:
            value = {}
    return value if isinstance(value, dict) else {}
