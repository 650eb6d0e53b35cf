"""`winnow select --gather`: the evidence that is missing on a run's candidates, journaled, kept issue by issue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import Candidate, Ending, together
from environments import Groundwork, Task
from environments.building import Builder, places_of
from models import Model, Refused, Reply, Request
from models.protocol import digest
from sandbox import Backend, Limits, clean
from selection import Evidence, SelectionSettings, forgetting, gather_evidence
from store import Store

from .base import Base
from .building import WORLD_FAULTS, open_builder
from .configuration import Configuration
from .groundwork import JournaledGroundwork, groundwork_files
from .journaled_model import JournaledModel
from .journaled_sandbox import JournaledSandbox
from .minds import Minds
from .mixing import alone
from .paths import sandboxes_folder
from .pen import Pen
from .select_issues import candidates_of, stored_evidence
from .stored import evidence_to_json, instance_of, task_from_json, to_json
from .trajectories import trajectories_of
from .worlds import backend_of, choose_backend, limits_of


@dataclass(frozen=True)
class Gathering:
    """How evidence is gathered. model: "" where nobody may be asked. at_once: issues under way.

    again: kinds of evidence of which nothing that is stored counts, so that they are gathered once more.
    """

    configuration: Configuration
    model: str
    repos: Path | None
    recipe: Path | None
    rootfs: Path | None
    sandbox: str
    at_once: int
    again: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Work:
    store: Store
    run: str
    settings: SelectionSettings
    worlds: Builder
    backend: Backend
    limits: Limits
    minds: Minds | None
    again: tuple[str, ...]
    tell: Callable[[str], None]


async def gather_run(
    store: Store, run: str, tasks: Sequence[str], asked: Gathering, tell: Callable[[str], None]
) -> None:
    """Gather what the settings want on each of these tasks and is not in the store.

    An issue that the world fails is told of and left as it was; the others go on. Raises RunBusy, NoBackend,
    models.Refused.
    """
    name, why = await asyncio.to_thread(choose_backend, asked.sandbox)
    tell(f"sandbox: {why}")
    settings = asked.configuration.sandbox.model_copy(update={"backend": name})
    with store.lease(run):
        await asyncio.to_thread(clean, sandboxes_folder(), run=run)
        backend = backend_of(settings, run)
        minds = Minds(alone(asked.configuration), store.totals(run), tell) if asked.model else None
        try:
            if lacks := await backend.lacks():
                tell("not given here: " + " ".join(lacks))
            async with open_builder(
                backend,
                run,
                tell,
                repos=asked.repos,
                recipe=asked.recipe,
                rootfs=asked.rootfs,
                network=settings.build_network,
            ) as worlds:
                work = _Work(
                    store,
                    run,
                    asked.configuration.selection,
                    worlds,
                    backend,
                    limits_of(settings),
                    minds,
                    asked.again,
                    tell,
                )
                await _all(work, tasks, asked.at_once)
        finally:
            await backend.close()
            if minds is not None:
                await minds.close()


async def _all(work: _Work, tasks: Sequence[str], at_once: int) -> None:
    waiting = iter(tasks)

    async def worker() -> None:
        for task in waiting:
            try:
                await _one(work, task)
            except WORLD_FAULTS as error:
                work.tell(f"{task}: no evidence: {error}")

    await together([worker() for _ in range(min(at_once, len(tasks)))])


async def _one(work: _Work, name: str) -> None:
    """One issue. Its trajectory is named after all that decides what is asked, so that a killed one is gone on with."""
    candidates = candidates_of(work.store, work.run, name)
    if not candidates:
        work.tell(f"{name}: it has no candidate")
        return
    known = stored_evidence(work.store, work.run, name)
    if known is not None and work.again:
        known = forgetting(known, work.again)
    task = await _world(work, name)
    pen = Pen(
        await asyncio.to_thread(work.store.journal, work.run, name),
        _trajectory(work, name, candidates, known),
    )
    base = Base(work.backend, task, work.limits, work.tell)
    sandbox = JournaledSandbox(base.sandbox, pen, "sandbox", cheap_copies=base.cheap_copies)
    try:
        evidence = await gather_evidence(
            JournaledModel(_model(work, name), pen),
            sandbox,
            task,
            candidates,
            work.settings,
            known=known,
            trajectories=trajectories_of(work.store, work.run, name, candidates),
            groundwork=_groundwork(work, pen, task),
        )
    finally:
        await pen.drain()
        await sandbox.close()
        await base.close()
    await work.store.put_trajectory(work.run, name, pen.trajectory, ending=Ending.FINISHED, is_result=True)
    await work.store.put_result(work.run, name, "evidence", "all", evidence_to_json(evidence))
    work.tell(f"{name}: {_said(evidence)}")


def _groundwork(work: _Work, pen: Pen, task: Task) -> Groundwork | None:
    """What is known of the repository already; what is asked for again is not to be answered by it."""
    if work.again:
        return None
    return JournaledGroundwork.of(groundwork_files(), pen, task, work.backend, work.limits)


async def _world(work: _Work, name: str) -> Task:
    """The task as it was made for its attempts; made again where its files are gone, or it comes from elsewhere."""
    body = json.loads(work.store.task(work.run, name).body)
    if "snapshot" in body:
        task = task_from_json(body)
        await work.worlds.use(task)
        if all(place.exists() for place in places_of(task)):
            return task
    return await work.worlds.task(instance_of(body))


def _trajectory(work: _Work, task: str, candidates: Sequence[Candidate], known: Evidence | None) -> str:
    """Its name. What is gathered again has one of its own each time, or the journal would say what it said before."""
    about = [[c.id, c.patch, c.test.text if c.test else ""] for c in candidates]
    before = evidence_to_json(known) if known else ""
    name = f"selection-{digest(json.dumps([about, before, to_json(work.settings)]))[:8]}"
    if not work.again:
        return name
    done = [row for row in work.store.trajectories(work.run, task) if row.is_result]
    return f"{name}-again-{1 + sum(row.trajectory.startswith(f'{name}-again-') for row in done)}"


def _model(work: _Work, task: str) -> Model:
    if work.minds is None:
        return _Nobody()
    return work.minds.of(f"issue {task}", work.store.totals(work.run, task))[0]


class _Nobody:
    """Who answers where no model was named: the settings ask for nothing that needs one."""

    name = "nobody"

    async def ask(self, request: Request, at: str = "") -> Reply:
        raise Refused("no model was named for gathering evidence: say --model NAME")


def _said(evidence: Evidence) -> str:
    applies = sum(bool(v) for v in evidence.applies.values())
    tested = sum(not regression.error for regression in evidence.regressions.values())
    words = [f"{applies} of {len(evidence.candidates)} candidates apply", f"{tested} ran existing tests"]
    if evidence.tests:
        words.append(f"{len(evidence.tests)} generated tests")
    gaps = [f"{kind}: {why}" for kind, why in sorted(evidence.gaps.items())]
    errors = sorted({regression.error for regression in evidence.regressions.values() if regression.error})
    return "; ".join([*words, *gaps, *errors])
