"""Attempts that are made again although they had come to an end of their own (`winnow resume RUN --redo ENDING`).

What they did is set aside under another name, never destroyed. An attempt that a budget ended goes on where it was
ended: only the refused calls are set aside. Any other one begins anew, since its journal would lead it to the same end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from agent import Ending
from store import Store

from .batch_issues import IssueState, put_state, stored_configuration
from .configuration import WrongConfiguration, nearest

REFUSED_CALL = '{"error": "BudgetSpent"'
"""How the journal's answer begins to a call that a budget did not allow (journaled_model)."""


def endings_named(words: Sequence[str]) -> frozenset[Ending]:
    """The endings that a user named. Raises WrongConfiguration."""
    known = {ending.value: ending for ending in Ending}
    for word in words:
        if word not in known:
            raise WrongConfiguration(f"no attempt ends with {word!r}; {nearest(word, list(known))}")
    return frozenset(known[word] for word in words)


def redo(store: Store, run: str, endings: Collection[Ending]) -> int:
    """Set aside what trajectories with these endings did; how many there were. Raises store.RunBusy."""
    with store.lease(run):
        made_again = [
            (row.task, row.trajectory, REFUSED_CALL if row.ending == Ending.COST_LIMIT else "")
            for row in store.endings(run)
            if row.trajectory.startswith("attempt-") and row.ending in endings
        ]
        if Ending.COST_LIMIT in endings:
            # Context and selection go on without what they could not pay for: no ending says so.
            known = {(task, trajectory) for task, trajectory, _ in made_again}
            made_again += [
                (task, trajectory, REFUSED_CALL)
                for task, trajectory in store.answered(run, REFUSED_CALL)
                if (task, trajectory) not in known
            ]
        for task, trajectory, answers in made_again:
            store.set_aside(run, task, trajectory, answers=answers)
        for task in dict.fromkeys(task for task, _, _ in made_again):
            if stored_configuration(store, run).attempts == "auto":
                _forget_weighings(store, run, task)
            asyncio.run(put_state(store, run, task, IssueState(since=0.0)))
    return len(made_again)


def _forget_weighings(store: Store, run: str, task: str) -> None:
    """Set aside how the task's attempts were weighed, and that there should be no more: they are others by now."""
    names = [row.trajectory for row in store.trajectories(run, task) if row.trajectory.startswith("weigh-")]
    for name in (*names, "way"):
        store.set_aside(run, task, name)
