"""Which patch an export takes of each issue: the chosen one, one by name, or all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from store import Store

from .export_errors import CannotExport
from .figures_gather import Attempt, Facts, Issue, natural

ALL = "all"


@dataclass(frozen=True, slots=True)
class Handed:
    """One patch that is handed over. candidate: "" where nothing was worth choosing, and the patch is empty then.

    attempt: what is known of it, None where there is no candidate.
    """

    task: str
    candidate: str
    patch: str
    attempt: Attempt | None


def handed(store: Store, facts: Facts, which: str) -> Iterator[Handed]:
    """The patches of a run, issue by issue. which: a candidate's name, ALL, or "" for the chosen ones.

    An issue of which nothing is known yet has none. Raises CannotExport where no issue has one.
    """
    _check(facts, which)
    for issue in facts.issues:
        names = _names(facts, issue, which)
        patches = patches_of(store, facts.row.run, issue.task) if any(names) else {}
        attempts = {attempt.name: attempt for attempt in issue.attempts}
        for name in names:
            yield Handed(issue.task, name, patches.get(name, ""), attempts.get(name))


def patches_of(store: Store, run: str, task: str) -> dict[str, str]:
    """A task's patches by candidate."""
    found = {}
    for row in store.trajectories(run, task):
        body: Any = json.loads(row.body) if row.body else {}
        found[row.trajectory] = str(body.get("patch") or "") if isinstance(body, dict) else ""
    return found


def _names(facts: Facts, issue: Issue, which: str) -> list[str]:
    there = [attempt.name for attempt in issue.attempts if attempt.is_result]
    if which == ALL:
        return sorted(there, key=natural)
    if which:
        return [which] if which in there else []
    return [issue.chosen[facts.strategy] or ""] if facts.strategy in issue.chosen else []


def _check(facts: Facts, which: str) -> None:
    names = sorted({attempt.name for issue in facts.issues for attempt in issue.attempts}, key=natural)
    run = facts.row.run
    if not names:
        raise CannotExport(f"run {run} has no candidates yet: there is nothing to export")
    if which not in ("", ALL) and which not in names:
        raise CannotExport(f"run {run} has no candidate {which!r}: there are {', '.join(names[:20])}")
    if not which and not facts.strategy:
        what = "is an import of several systems" if facts.row.kind == "import" else "has chosen nothing yet"
        raise CannotExport(
            f"run {run} {what}: say --candidate NAME or --candidate all (there are {', '.join(names[:20])})"
        )
