"""What a selection is made from: the stored evidence on each issue's candidates, and, apart from it, their grades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent import Candidate
from selection import Evidence, still_true
from store import Store

from .figures_gather import gather, is_attempt
from .stored import candidate_from_json, evidence_from_json


@dataclass(frozen=True, slots=True)
class Weighable:
    """One issue. gathered: whether anything was found out about its candidates.

    grades: whether each graded candidate resolves the issue; no strategy but `oracle` is ever handed them.
    """

    run: str
    task: str
    evidence: Evidence
    gathered: bool
    grades: Mapping[str, bool] = field(default_factory=dict)


def weighable(store: Store, run: str, tasks: Sequence[str] = ()) -> Iterator[Weighable]:
    """The issues of a run, only `tasks` where they are named. Raises NoSuchRun."""
    grades = {
        issue.task: {attempt.name: attempt.resolved for attempt in issue.attempts if attempt.counts}
        for issue in gather(store, run).issues
    }
    for name in store.task_names(run):
        if not tasks or name in tasks:
            stored = stored_evidence(store, run, name)
            evidence = about(stored, candidates_of(store, run, name))
            yield Weighable(run, name, evidence, stored is not None, grades.get(name, {}))


def stored_evidence(store: Store, run: str, task: str) -> Evidence | None:
    """The evidence that the store has on a task, None where nothing was gathered."""
    rows = store.results(run, task, "evidence")
    return evidence_from_json(rows[-1].body) if rows else None


def candidates_of(store: Store, run: str, task: str) -> list[Candidate]:
    """The task's candidates: attempts that came to an end of their own."""
    return [
        candidate_from_json(row.body)
        for row in store.trajectories(run, task)
        if row.is_result and row.body and is_attempt(row.trajectory)
    ]


def about(evidence: Evidence | None, candidates: Sequence[Candidate]) -> Evidence:
    """Evidence about these candidates. What was found out about a patch that changed since is left out."""
    if evidence is None or not candidates:
        return evidence or Evidence(tuple(candidates))
    if {(c.id, c.patch) for c in candidates} == {(c.id, c.patch) for c in evidence.candidates}:
        return evidence
    return replace(still_true(evidence, candidates), gaps=evidence.gaps)
