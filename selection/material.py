"""What a chooser is shown of the task and the candidates, under labels that tell nothing of where they come from."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent import Candidate, Run, cut_middle, fenced, renderer, shown_file, shown_issue, stopped
from environments import Task

from .applying import Changed
from .settings import SelectionSettings

PROMPTS = Path(__file__).parent / "prompts"
render = renderer(PROMPTS)

Labels = Mapping[str, Candidate]
"""Candidates by label ("A", "B", ...), in the order in which they are shown."""


def labelled(shortlist: Sequence[Candidate]) -> Labels:
    """Labels in the order of a digest of the patches: where a candidate stands says nothing of votes or attempts.

    Raises ValueError for more candidates than there are letters.
    """
    if len(shortlist) > len(string.ascii_uppercase):
        raise ValueError(f"{len(shortlist)} candidates cannot be compared at once; 26 can.")

    def place(candidate: Candidate) -> tuple[str, str]:
        patch = candidate.patch.encode("utf-8", "surrogatepass")
        return hashlib.sha256(patch).hexdigest(), candidate.id

    return dict(zip(string.ascii_uppercase, sorted(shortlist, key=place), strict=False))


def material(
    task: Task, labels: Labels, changed: Mapping[str, Changed | None], settings: SelectionSettings
) -> dict[str, Any]:
    """The values of prompts/_material.j2 and prompts/_decision.j2."""
    paths = sorted({path for candidate in labels.values() for path in changed.get(candidate.id) or {}})
    return {
        "issue": shown_issue(task.issue, settings.issue_chars),
        "files": original_files(task, paths, settings.files_chars),
        "candidates": [
            (label, cut_middle(shown_file(candidate.patch), settings.diff_chars))
            for label, candidate in labels.items()
        ],
        "labels": list(labels),
    }


MEANINGS = {
    2: "the script saw wrong behaviour",
    0: "all that it saw was right",
    1: "something unexpected happened",
}


def shown_run(run: Run, settings: SelectionSettings, meanings: Mapping[int, str] = MEANINGS) -> str:
    """One run of a chooser's script as text, its output cut in the middle. meanings: of exit codes, {}: none."""
    if why := stopped(run, settings.script_timeout):
        head = f"{why}."
    else:
        meaning = meanings.get(run.exit_code, "not one of 0, 1, 2: it crashed")
        head = f"Exit code: {run.exit_code}" + (f" ({meaning})" if meanings else "")
    output = cut_middle(run.output, settings.output_chars)
    return f"{head}\nOutput:\n{fenced(output)}" if output.strip() else f"{head}\nOutput: none"


def unlabelled(reason: str, labels: Labels) -> str:
    """The model's words with candidates under their own ids, for those who read them later."""

    def own(match: re.Match[str]) -> str:
        return labels[match[1]].id if match[1] in labels else match[0]

    return re.sub(r"\b[Cc]andidate ([A-Z])\b", own, reason)


def original_files(task: Task, paths: Sequence[str], limit: int) -> list[tuple[str, str | None, str]]:
    """(path, text or None, why there is no text), for prompts/_files.j2.

    limit: characters in all. Short files are first in line for the room, so that most are shown.
    """
    if not paths:
        return []
    texts = {path: task.snapshot.read(path) for path in paths}
    tracked = set(task.snapshot.files())
    left = limit
    shown: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (len(texts[path] or ""), path)):
        text = texts[path]
        if text is not None and len(text) <= left:
            shown[path] = shown_file(text)
            left -= len(text)
    files: list[tuple[str, str | None, str]] = []
    for path in paths:
        text = texts[path]
        if path in shown:
            files.append((path, shown[path], ""))
        elif text is not None:
            files.append(
                (path, None, f"It has {len(text)} characters, too many to be shown; see the patches.")
            )
        else:
            files.append((path, None, "It is no text." if path in tracked else "It does not exist there."))
    return files
