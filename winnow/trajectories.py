"""How a run's candidates were made, as the judge and the summaries of selection are shown it: read from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from selection import Trajectory, trajectory_of
from store import Store

from .export_conversations import conversations


def trajectories(
    store: Store,
    run: str,
    task: str,
    candidates: Iterable[str],
    flags: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Trajectory]:
    """By candidate id, of those that have any conversation in the run: its parts in the order in which they ended.

    flags: what an audit found in each (`winnow.audit`).
    """
    found = {}
    for name in candidates:
        messages = [message for part in conversations(store, run, task, name) for message in part.messages]
        if messages:
            found[name] = trajectory_of(messages, (flags or {}).get(name, ()))
    return found
