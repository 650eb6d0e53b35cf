"""What is to be graded: the candidates of a run, the reference patches, or the unfixed code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from environments import Dataset, Grade, Reference
from environments.datasets.dataset import digest_of
from store import Store

from .grade_work import Job, merged
from .grades import grades_of

GOLD, EMPTY = "gold", "empty"


class NothingToGrade(Exception):
    """What was named has no candidate that the dataset could grade; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """jobs: what must be run. known: grades that the store has already, by (task, candidate). nothing: candidates whose
    patch is empty. without_row: tasks of the run that the dataset has no row for, or no reference.
    """

    jobs: tuple[Job, ...]
    known: Mapping[tuple[str, str], Grade]
    nothing: tuple[tuple[str, str, str], ...] = ()
    without_row: tuple[str, ...] = ()


def plan(
    candidates: Mapping[str, Mapping[str, str]],
    dataset: Dataset,
    store: Store,
    run: str,
    *,
    again: bool,
    repeats: int,
) -> Plan:
    """candidates: task -> name -> patch. A grade in the store stands where patch, row and repeats are the same."""
    instances = {instance.id: instance for instance in dataset.instances}
    jobs, known, nothing, without = [], {}, [], []
    for task, patches in candidates.items():
        reference = dataset.references.get(task)
        if task not in instances or reference is None:
            without.append(task)
            continue
        digest = digest_of((instances[task],), {task: reference})
        there = {} if again else grades_of(store, run, task)
        to_run = {}
        for name, patch in patches.items():
            grade = there.get(name)
            if grade is not None and _stands(grade, patch, digest, repeats):
                known[task, name] = grade
            elif not patch.strip() and name != EMPTY:
                nothing.append((task, name, digest))
            else:
                to_run[name] = patch
        if to_run:
            jobs.append(Job(instances[task], reference, merged(to_run), digest))
    return Plan(tuple(jobs), known, tuple(nothing), tuple(without))


def candidates_of(store: Store, run: str) -> dict[str, dict[str, str]]:
    """The patches of a run's candidates: task -> trajectory -> patch. What left no patch is none."""
    found: dict[str, dict[str, str]] = {}
    for row in store.tasks(run):
        patches = {}
        for trajectory in store.trajectories(run, row.task):
            if trajectory.is_result and (patch := _patch(trajectory.body)) is not None:
                patches[trajectory.trajectory] = patch
        found[row.task] = patches
    return found


def references_of(dataset: Dataset) -> dict[str, dict[str, str]]:
    """Each row's own patch, under the name "gold"."""
    return {task: {GOLD: reference.patch} for task, reference in _rows(dataset).items()}


def unfixed_of(dataset: Dataset) -> dict[str, dict[str, str]]:
    """For each row the patch that changes nothing, under the name "empty"."""
    return {task: {EMPTY: ""} for task in _rows(dataset)}


def _rows(dataset: Dataset) -> dict[str, Reference]:
    return {
        each.id: dataset.references[each.id] for each in dataset.instances if each.id in dataset.references
    }


def _stands(grade: Grade, patch: str, digest: str, repeats: int) -> bool:
    from environments import patch_digest

    same = grade.patch == patch_digest(patch) and grade.dataset == digest
    return same and grade.repeats >= repeats and grade.verdict != "could not be graded"


def _patch(body: str) -> str | None:
    try:
        patch = json.loads(body).get("patch") if body else None
    except (ValueError, AttributeError):
        return None
    return patch if isinstance(patch, str) else None
