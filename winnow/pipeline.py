"""The path of one issue: context once, attempts in parallel, evidence, one patch (DESIGN, "The path of one issue")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent import Candidate, Context, Ending, attempt, ending_of, gather_context, together, tool_attempt
from environments import Task
from models import Model
from models.protocol import digest
from sandbox import Backend, Limits, Sandbox
from selection import Evidence, Ranking, SelectionSettings, gather_evidence, with_confidence
from selection import strategy as strategy_named
from store import Journal, Store

from .base import Base
from .batch_issues import IssueState, Stage, put_state
from .batch_sandboxes import LimitedBackend, Machine
from .configuration import Configuration
from .journaled_model import JournaledModel
from .journaled_sandbox import JournaledSandbox
from .minds import Minds
from .pen import Pen
from .progress import View
from .stored import evidence_to_json, ranking_to_json, to_json
from .trajectories import trajectories_of

T = TypeVar("T")


Failure = tuple[str, Ending, str]
"""A trajectory that the world ended: its name, its ending, a sentence."""


class WorldFailed(Exception):
    """Nothing was chosen because the world failed; the message is the first failure's sentence."""

    def __init__(self, failures: Sequence[Failure]):
        super().__init__(failures[0][2])
        self.failures = tuple(failures)


@dataclass(frozen=True)
class Tools:
    """What a run works with, shared by its issues. view is told of every stage, step and ending."""

    store: Store
    run: str
    configuration: Configuration
    minds: Minds
    backend: Backend
    machine: Machine
    limits: Limits
    view: View

    async def stage(self, task: str, stage: Stage) -> None:
        """A stage of the task begins: said, and written for `winnow status`."""
        self.view.stage(task, stage)
        await put_state(self.store, self.run, task, IssueState(stage))


@dataclass(frozen=True)
class Job:
    """One task being worked on: what its trajectories share. inherited: the journal of the run that it is a fork of."""

    task: Task
    tools: Tools
    base: Base
    journal: Journal
    inherited: Journal | None
    model: Model
    context_model: Model


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
    job = await _job(task, tools)
    try:
        await tools.stage(task.id, Stage.CONTEXT)
        context = await _gather(job)
        await tools.stage(task.id, Stage.ATTEMPTS)
        candidates, failures = await _attempts(job, context)
        if not candidates or (failures and not last_turn):
            raise WorldFailed(failures)
        await tools.stage(task.id, Stage.SELECTION)
        evidence = await _weigh(job, candidates)
        ranking = _ranked(evidence, tools.configuration.selection)
        await _keep(job, evidence, ranking)
        return Outcome(task, tuple(candidates), evidence, ranking, tuple(failures))
    finally:
        await job.base.close()


async def _job(task: Task, tools: Tools) -> Job:
    """The task's journal is read here, and forgotten with the job."""
    store, run, parent = tools.store, tools.run, tools.configuration.forked_from
    model, context_model = tools.minds.of(
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
    )


async def _gather(job: Job) -> Context:
    if job.tools.configuration.way == "tools":
        return Context(())  # the agent finds its way by itself

    async def work(model: Model, sandbox: Sandbox) -> Context:
        return await gather_context(model, job.task, job.tools.configuration.context)

    context = await _trajectory(job, "context", work, model=job.context_model)
    await job.tools.store.put_trajectory(
        job.tools.run, job.task.id, "context", ending=Ending.FINISHED, is_result=True, body=to_json(context)
    )
    job.tools.view.ended(job.task.id, "context", f"{len(context.files)} files")
    return context


async def _attempts(job: Job, context: Context) -> tuple[list[Candidate], list[Failure]]:
    """All attempts at once (the wrappers limit what is in flight). One that the world ended is no candidate."""
    names = [f"attempt-{i}" for i in range(1, job.tools.configuration.attempts + 1)]
    outcomes = await together([_attempt(job, context, name) for name in names])
    candidates = [outcome for outcome in outcomes if isinstance(outcome, Candidate)]
    failures = [outcome for outcome in outcomes if not isinstance(outcome, Candidate)]
    return candidates, failures


async def _attempt(job: Job, context: Context, name: str) -> Candidate | Failure:
    async def work(model: Model, sandbox: Sandbox) -> Candidate:
        settings = job.tools.configuration
        if settings.way == "tools":
            return await tool_attempt(model, sandbox, job.task, settings.tools, name)
        return await attempt(model, sandbox, job.task, context, settings.attempt, name)

    try:
        candidate = await _trajectory(job, name, work)
    except Exception as error:
        ending = ending_of(error)
        if ending is None:
            raise
        await job.tools.store.put_trajectory(
            job.tools.run, job.task.id, name, ending=ending, is_result=ending.is_result, detail=str(error)
        )
        job.tools.view.ended(job.task.id, name, f"{ending}: {error}")
        return name, ending, str(error)
    await job.tools.store.put_trajectory(
        job.tools.run,
        job.task.id,
        name,
        ending=candidate.ending,
        is_result=True,
        detail=candidate.detail,
        body=to_json(candidate),
    )
    job.tools.view.ended(job.task.id, name, str(candidate.ending) + ("" if candidate.patch else ", no patch"))
    return candidate


async def _weigh(job: Job, candidates: Sequence[Candidate]) -> Evidence:
    """Gather the evidence in a trajectory of its own, named after the candidates that it is about.

    Other candidates (an attempt that the world had ended was resumed) are another question, so another trajectory:
    answers to the old one stay true of the old one.
    """
    about = digest(json.dumps([[c.id, c.patch, c.test.text if c.test else ""] for c in candidates]))[:8]
    settings, store = job.tools.configuration.selection, job.tools.store
    trajectories = (
        await asyncio.to_thread(trajectories_of, store, job.tools.run, job.task.id, candidates)
        if settings.looks_at_trajectories
        else None
    )

    async def work(model: Model, sandbox: Sandbox) -> Evidence:
        return await gather_evidence(
            model, sandbox, job.task, candidates, settings, trajectories=trajectories
        )

    name = f"selection-{about}"
    evidence = await _trajectory(job, name, work)
    await job.tools.store.put_trajectory(
        job.tools.run, job.task.id, name, ending=Ending.FINISHED, is_result=True
    )
    job.tools.view.ended(job.task.id, name, Ending.FINISHED)
    return evidence


def _ranked(evidence: Evidence, settings: SelectionSettings) -> Ranking:
    """What the strategy makes of it, with how sure that is; nothing is chosen below what the settings ask for."""
    ranking = strategy_named(settings.strategy)(evidence)
    return with_confidence(ranking, evidence, least=settings.min_confidence)


async def _keep(job: Job, evidence: Evidence, ranking: Ranking) -> None:
    name = job.tools.configuration.selection.strategy
    await job.tools.store.put_result(
        job.tools.run, job.task.id, "evidence", "all", evidence_to_json(evidence)
    )
    await job.tools.store.put_result(job.tools.run, job.task.id, "choice", name, ranking_to_json(ranking))


async def _trajectory(
    job: Job,
    name: str,
    work: Callable[[Model, Sandbox], Awaitable[T]],
    model: Model | None = None,
) -> T:
    """Run `work` with a journaled model and a journaled sandbox; what is under way when it is cancelled is kept."""
    pen = Pen(job.journal, name, job.tools.view.observe(job.task.id), job.inherited)
    sandbox = JournaledSandbox(job.base.sandbox, pen, "sandbox", cheap_copies=job.base.cheap_copies)
    try:
        return await work(JournaledModel(model or job.model, pen), sandbox)
    finally:
        await pen.drain()
        await sandbox.close()
