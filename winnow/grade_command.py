"""`winnow grade`: from the words of the command line to grades in the store, a table and an exit code."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from environments import Dataset, Grade, Pick, empty_patch, json_text, read_dataset
from sandbox import clean
from store import Store

from .building import WORLD_FAULTS, BuildNetwork, open_builder
from .configuration import SandboxSettings
from .console import Console, indented
from .failures import WORLD_FAILED
from .grade_audit import KIND as AUDIT
from .grade_audit import audit_candidate
from .grade_candidates import (
    EMPTY,
    GOLD,
    NothingToGrade,
    Plan,
    candidates_of,
    plan,
    references_of,
    unfixed_of,
)
from .grade_official import compare
from .grade_table import Grades, line, print_comparison, print_flags, print_grades, totals
from .grade_work import OUTPUT, Grader
from .grades import grade_to_json, keep_grade
from .importing import import_predictions
from .paths import data_folder, open_users_store, sandboxes_folder
from .solving import run_until_done
from .worlds import backend_of, choose_backend, limits_of

Candidates = dict[str, dict[str, str]]
"""Patches by task and candidate."""
Keep = Callable[[str, str, Grade], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """What the user asked `grade` for; see the command's help for each. what: "" for gold and empty."""

    what: str
    dataset: str
    pick: Pick
    gold: bool
    empty: bool
    official: bool
    repeats: int
    at_once: int
    again: bool
    timeout: float | None
    repos: Path | None
    recipe: Path | None
    rootfs: Path | None
    network: BuildNetwork
    sandbox: str
    json: bool
    store: str | None


@dataclass(frozen=True)
class _Session:
    """One call of the command: what was asked, on which rows, for which candidates, in which run of the store."""

    asked: Asked
    dataset: Dataset
    candidates: Candidates
    store: Store
    run: str
    console: Console

    def tell(self, sentence: str) -> None:
        self.console.print(indented(sentence), style="dim", soft_wrap=True)


def grade(asked: Asked) -> int:
    """Grade what was asked for; the exit code: 0 done, 1 a dataset that is not as it should be, 3 some could not be."""
    console = Console(stderr=asked.json)
    dataset = read_dataset(asked.dataset, asked.pick)
    for bad in dataset.bad:
        console.print(f"left out: {bad}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    store = open_users_store(asked.store)
    run, candidates = _candidates(asked, dataset, store)
    work = plan(candidates, dataset, store, run, again=asked.again, repeats=asked.repeats)
    if not (work.jobs or work.known or work.nothing):
        raise NothingToGrade(
            f"{asked.dataset} has no row, or no tests, for any candidate of {run}: is it the dataset that was run?"
        )
    console.print(f"run {run}", style="bold", highlight=False)
    session = _Session(asked, dataset, candidates, store, run, console)
    found = _work(session, work)
    grades = {key: found[key] for key in _order(candidates, found)}
    print_grades(console, grades)
    if asked.official:
        _compare(session, grades)
    if asked.what:
        print_flags(console, _flags(store, run, candidates))
    for task in work.without_row[:20]:
        console.print(f"not graded: the dataset has no tests for {task}", style="yellow", highlight=False)
    if asked.json:
        print(json_text({"run": run, "totals": totals(grades), "grades": _as_json(grades)}))
    return _exit_code(asked, grades)


def _candidates(asked: Asked, dataset: Dataset, store: Store) -> tuple[str, Candidates]:
    """The run that grades are kept in, and what is to be graded."""
    if asked.what:
        run = _predictions(asked, dataset, store) if Path(asked.what).is_file() else store.run(asked.what).run
        return run, _selected(candidates_of(store, run), dataset)
    candidates: Candidates = {}
    for wanted, found in ((asked.gold, references_of(dataset)), (asked.empty, unfixed_of(dataset))):
        for task, patches in found.items() if wanted else ():
            candidates.setdefault(task, {}).update(patches)
    return _validation_run(store, dataset), candidates


def _predictions(asked: Asked, dataset: Dataset, store: Store) -> str:
    """A file of predictions as a run, the same one every time for the same file."""
    file = Path(asked.what)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    run = f"predictions-{re.sub(r'[^A-Za-z0-9.-]+', '-', file.stem)[:40]}-{digest}"
    import_predictions(store, run, [file], dataset, published=True)
    return run


def _selected(candidates: Candidates, dataset: Dataset) -> Candidates:
    """Only the selected tasks, where the dataset was narrowed by --filter and the like."""
    wanted = {instance.id for instance in dataset.instances}
    return {task: patches for task, patches in candidates.items() if task in wanted} or candidates


def _validation_run(store: Store, dataset: Dataset) -> str:
    """A run for the reference patches and the unfixed code of this dataset, the same one for any selection of it.

    It holds grades alone: no reference patch, and of the rows only what attempts may know.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(dataset.name).stem)[:40]
    run = f"validation-{name}-{hashlib.sha256((dataset.source or dataset.name).encode()).hexdigest()[:8]}"
    if run not in (row.run for row in store.runs()):
        store.create_run(run, config=json.dumps({"dataset": dataset.name}), kind="validation")
    there = {row.task for row in store.tasks(run)}
    for instance in dataset.instances:
        if instance.id not in there:
            store.put_task(run, instance.id, body=json.dumps({"instance": dataclasses.asdict(instance)}))
    return run


def _work(session: _Session, work: Plan) -> dict[tuple[str, str], Grade]:
    """Grade and audit what is asked for, each result kept as soon as it is there; all grades, known ones too."""
    store, run, console = session.store, session.run, session.console
    grades: dict[tuple[str, str], Grade] = dict(work.known)
    if work.known:
        console.print(f"{len(work.known)} of the grades are in the store already (--again grades them anew)")

    async def keep(task: str, candidate: str, grade: Grade) -> None:
        await keep_grade(store, run, task, candidate, grade)
        grades[task, candidate] = grade
        console.print(line(task, candidate, grade), highlight=False, markup=False, soft_wrap=True)

    async def main() -> None:
        with store.lease(run):
            clean(sandboxes_folder(), run=run)
            for task, candidate, digest in work.nothing:
                await keep(task, candidate, empty_patch(digest))
            if work.jobs:
                await _grade_jobs(session, work, keep)
            if session.asked.what:
                await _audit(session)
            else:
                store.set_run(run, status="finished", ended=time.time())

    run_until_done(main, session.tell)
    return grades


async def _grade_jobs(session: _Session, work: Plan, keep: Keep) -> None:
    asked, run, tell = session.asked, session.run, session.tell
    backend_name, why = await asyncio.to_thread(choose_backend, asked.sandbox)
    tell(f"sandbox: {why}")
    settings = SandboxSettings(backend=backend_name)  # type: ignore[arg-type]
    backend = backend_of(settings, run)
    try:
        if lacks := await backend.lacks():
            tell("not given here: " + " ".join(lacks))
        limits = dataclasses.replace(limits_of(settings), output=OUTPUT)
        async with open_builder(
            backend,
            run,
            tell,
            repos=asked.repos,
            recipe=asked.recipe,
            rootfs=asked.rootfs,
            network=asked.network,
        ) as worlds:
            grader = Grader(
                worlds, backend, limits, keep, tell, asked.at_once, asked.repeats, asked.timeout, WORLD_FAULTS
            )
            await grader.grade_all(work.jobs)
    finally:
        await backend.close()


async def _audit(session: _Session) -> None:
    for instance in session.dataset.instances:
        for name, patch in session.candidates.get(instance.id, {}).items():
            await audit_candidate(session.store, session.run, instance.id, name, patch, instance.repo)


def _compare(session: _Session, grades: Grades) -> None:
    """Hand the same candidates to the official harness, and print where its verdicts are others."""
    folder = data_folder() / "official" / session.run
    work = lambda: compare(  # noqa: E731
        folder,
        session.run,
        session.dataset,
        session.candidates,
        grades,
        at_once=session.asked.at_once,
        tell=session.tell,
    )
    print_comparison(session.console, run_until_done(work, session.tell))


def _flags(store: Store, run: str, candidates: Candidates) -> dict[tuple[str, str], list[str]]:
    """What the audit found, by (task, candidate)."""
    rows = [row for task in candidates for row in store.results(run, task, AUDIT)]
    return {(row.task, row.name): flags for row in rows if (flags := json.loads(row.body)["flags"])}


def _order(candidates: Candidates, grades: Grades) -> list[tuple[str, str]]:
    """The grades in the order of what was asked for, not of what ended first."""
    return [
        (task, name) for task, patches in candidates.items() for name in patches if (task, name) in grades
    ]


def _as_json(grades: Grades) -> list[dict]:
    return [
        {"task": task, "candidate": name, **json.loads(grade_to_json(grade))}
        for (task, name), grade in grades.items()
    ]


def _exit_code(asked: Asked, grades: Grades) -> int:
    if any(grade.verdict == "could not be graded" for grade in grades.values()):
        return WORLD_FAILED
    gold = all(grade.resolved for (_, name), grade in grades.items() if name == GOLD and asked.gold)
    empty = not any(grade.resolved for (_, name), grade in grades.items() if name == EMPTY and asked.empty)
    return 0 if gold and empty else 1
