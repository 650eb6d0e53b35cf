"""How a run's candidates were made, as the judge and the summaries of selection are shown it: read from the journal."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent import Candidate
from selection import Trajectory, trajectory_of
from store import Store

from .export_conversations import conversations
from .grade_audit import KIND as AUDIT


def trajectories_of(
    store: Store, run: str, task: str, candidates: Sequence[Candidate]
) -> dict[str, Trajectory]:
    """By candidate id: its conversations in the order in which they ended, with what the audit found, if there was one.

    Imported candidates have no journal: theirs are empty.
    """
    flags = {row.name: json.loads(row.body).get("flags", ()) for row in store.results(run, task, AUDIT)}
    found = {}
    for candidate in candidates:
        messages = [m for part in conversations(store, run, task, candidate.id) for m in part.messages]
        found[candidate.id] = trajectory_of(messages, flags.get(candidate.id, ()))
    return found
