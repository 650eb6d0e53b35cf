"""The path of one issue: candidates by the run's way, evidence, one patch (DESIGN, "The path of one issue")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from agent import Candidate
from environments import Task
from models import BudgetSpent
from models.protocol import digest
from selection import Evidence, Ranking, SelectionSettings, with_confidence
from selection import strategy as strategy_named

from .base import Base
from .batch_issues import Stage
from .batch_sandboxes import LimitedBackend
from .configuration import Configuration
from .job import Job, Tools
from .means import Failure, IssueMeans, WorldFailed
from .mixing import MIND, RECORD, record_in
from .stored import evidence_to_json, ranking_to_json
from .ways import way_of

__all__ = ["Failure", "Outcome", "Tools", "WorldFailed", "solve_task"]


@dataclass(frozen=True)
class Outcome:
    """What came of one task. failures: (trajectory, ending, sentence) of those that the world ended."""

    task: Task
    candidates: tuple[Candidate, ...]
    evidence: Evidence
    ranking: Ranking
    failures: tuple[Failure, ...] = ()

    @property
    def chosen(self) -> Candidate | None:
        return next((c for c in self.candidates if c.id == self.ranking.chosen), None)


async def solve_task(task: Task, tools: Tools, *, last_turn: bool = True) -> Outcome:
    """Solve one task, everything journaled; run again after an interruption, it goes on where it stopped.

    last_turn: False where the task will be solved again after the world failed it: nothing is weighed before all
    attempts came to an end of their own. Raises WorldFailed then, and where no attempt came to one;
    models.BudgetSpent where the budget ends before the attempts; store.StepChanged where a prompt is no longer the
    one that the journal has an answer to.
    """
    job = await _job(task, tools, patient=not last_turn)
    means = IssueMeans(job)
    try:
        await tools.stage(task.id, Stage.ATTEMPTS)
        candidates = await _candidates(means, tools.configuration)
        if not candidates or (means.failures and not last_turn):
            raise WorldFailed(means.failures)
        await tools.stage(task.id, Stage.SELECTION)
        evidence = await _weigh(job, candidates, means.evidence)
        ranking = _ranked(evidence, tools.configuration.selection)
        await _keep(job, evidence, ranking)
        return Outcome(task, tuple(candidates), evidence, ranking, tuple(means.failures))
    finally:
        await means.close()
        await job.base.close()


async def _job(task: Task, tools: Tools, *, patient: bool) -> Job:
    """The task's journal is read here, and forgotten with the job."""
    store, run, parent = tools.store, tools.run, tools.configuration.forked_from
    model, context_model, members = tools.minds.of(
        f"issue {task.id}", await asyncio.to_thread(store.totals, run, task.id)
    )
    return Job(
        task,
        tools,
        Base(LimitedBackend(tools.backend, tools.machine, task.id), task, tools.limits, tools.view.tell),
        await asyncio.to_thread(store.journal, run, task.id),
        await asyncio.to_thread(store.journal, parent, task.id) if parent else None,
        model,
        context_model,
        members,
        patient,
    )


async def _candidates(means: IssueMeans, configuration: Configuration) -> list[Candidate]:
    """What the way makes; where the budget ends between its trajectories, what it has made so far."""
    try:
        return await way_of(configuration)(means, configuration)
    except BudgetSpent as spent:
        if not means.made:
            raise
        means.tell(f"{spent} What there is by now is weighed.")
        return list(means.made.values())


async def _weigh(job: Job, candidates: Sequence[Candidate], known: Evidence | None) -> Evidence:
    """Gather the evidence in a trajectory of its own, named after the candidates that it is about.

    Other candidates (an attempt that the world had ended was resumed) are another question, so another trajectory:
    answers to the old one stay true of the old one.
    """
    about = digest(json.dumps([[c.id, c.patch, c.test.text if c.test else ""] for c in candidates]))[:8]
    return await job.evidence(f"selection-{about}", candidates, job.tools.configuration.selection, known)


def _ranked(evidence: Evidence, settings: SelectionSettings) -> Ranking:
    """What the strategy makes of it, with how sure that is; nothing is chosen below what the settings ask for."""
    ranking = strategy_named(settings.strategy)(evidence)
    return with_confidence(ranking, evidence, least=settings.min_confidence)


async def _keep(job: Job, evidence: Evidence, ranking: Ranking) -> None:
    name, task = job.tools.configuration.selection.strategy, job.task.id
    await job.tools.store.put_result(job.tools.run, task, "evidence", "all", evidence_to_json(evidence))
    await job.tools.store.put_result(job.tools.run, task, "choice", name, ranking_to_json(ranking))
    if job.members:
        minds = await asyncio.to_thread(job.tools.store.results, job.tools.run, task, MIND)
        await job.tools.store.put_result(job.tools.run, task, RECORD, "members", record_in(evidence, minds))
