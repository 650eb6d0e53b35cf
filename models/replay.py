"""A model that answers from a recording, and only what was asked when it was made.

A recording is one JSON file: {"version": 1, "about": text, "steps": [{"at": key, "digests": [[label, digest]...],
"reply": ...}...], "decisions": {key: answer...}}. It holds replies and digests, no text of a request; decisions are
those that time or chance took then, for whoever replays it. Other keys may stand beside these.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import BudgetSpent, ContextOverflow, Refused, ReplayMismatch
from .prices import Price
from .protocol import Reply, Request

VERSION = 1
_RAISED = {"ContextOverflow": ContextOverflow, "BudgetSpent": BudgetSpent}
"""Errors that are the attempt's, recorded as {"error": name, "message": text} in place of a reply."""


class ReplayModel:
    """A Model with the replies of the recording at `path`. Raises Refused where the file is no recording."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.name = f"replay:{self.path.name}"
        self.price: Price | None = None
        body = _read(self.path)
        self.about = str(body.get("about", ""))
        self.decisions: Mapping[str, Any] = body.get("decisions", {})
        self._steps: dict[str, Mapping[str, Any]] = {}
        for number, step in enumerate(body["steps"]):
            wrong = not isinstance(step, Mapping) or not {"at", "digests", "reply"} <= step.keys()
            if wrong or step["at"] in self._steps:
                what = "is no step" if wrong else f"repeats {step['at']}"
                raise Refused(
                    f"The recording {self.path} cannot be used: its step {number} {what}; record it again."
                )
            self._steps[step["at"]] = step

    def __len__(self) -> int:
        return len(self._steps)

    async def ask(self, request: Request, at: str = "") -> Reply:
        """The recorded reply. Raises ReplayMismatch, naming the first message that is another than it was."""
        step = self._steps.get(at)
        if step is None:
            raise ReplayMismatch(
                f"{self.name} has no step {at}: the recording was made with other prompts or outputs, whose answers "
                "led elsewhere; record it again."
            )
        if (changed := _first_change(step["digests"], request.digests())) is not None:
            label, matter = changed
            raise ReplayMismatch(
                f"{label} of {at} {matter}: {self.name} was made with another prompt or other outputs; record it again."
            )
        reply = step["reply"]
        if (kind := _RAISED.get(reply.get("error", ""))) is not None:
            raise kind(str(reply.get("message", "")))
        return Reply.from_json(json.dumps(reply))

    async def close(self) -> None:
        """Nothing is open."""


def write_recording(path: Path | str, about: str, steps: Iterable[Mapping[str, Any]]) -> None:
    """Write the recording, whole or not at all. steps: with "at", "digests" and "reply" (a Reply or its JSON)."""
    path = Path(path)
    body = {"version": VERSION, "about": about, "steps": [_step(step) for step in steps]}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(body, file, indent=1, ensure_ascii=True)
            file.write("\n")
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    reply = step["reply"]
    if isinstance(reply, Reply):
        reply = json.loads(reply.to_json())
    return {"at": step["at"], "digests": [list(pair) for pair in step["digests"]], "reply": reply}


def _first_change(then: Sequence[Sequence[str]], now: Sequence[Sequence[str]]) -> tuple[str, str] | None:
    """(label, what is the matter with it) of the first part that is another than it was."""
    for (label, before), (other, after) in zip(then, now, strict=False):
        if label != other and "settings" in (label, other):
            return (other, "was not recorded") if label == "settings" else (label, "is missing now")
        if label != other:
            return other, f"was {label}"
        if before != after:
            return label, "is not what was asked then"
    if len(then) != len(now):
        longer, verb = (now, "was not recorded") if len(now) > len(then) else (then, "is missing now")
        return longer[min(len(then), len(now))][0], verb
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"The recording {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Refused(f"The recording {path} is no JSON ({error}): fetch or record it again.") from error
    if not isinstance(body, dict) or not isinstance(body.get("steps"), list):
        raise Refused(f"The file {path} is no recording: it has no steps.")
    if body.get("version") != VERSION:
        version = body.get("version")
        raise Refused(
            f"The recording {path} has version {version}; this Winnow reads {VERSION}: record it again."
        )
    return body
