"""What a run works with, and what the trajectories of one issue share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from agent import Candidate, Ending
from agent.ways import Work
from environments import GroundworkFiles, Task
from models import Bounds, Model, ModelError, Reply, forced
from sandbox import Backend, Limits, Sandbox
from selection import Evidence, SelectionSettings, gather_evidence
from store import Journal, Store

from .base import Base
from .batch_issues import IssueState, Stage, put_state
from .batch_sandboxes import Machine
from .configuration import Configuration
from .groundwork import JournaledGroundwork, groundwork_files
from .journaled_model import JournaledModel
from .journaled_sandbox import JournaledSandbox
from .minds import Minds
from .mixing import MIND
from .pen import Pen
from .progress import View
from .trajectories import trajectories_of

T = TypeVar("T")


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
    groundwork: GroundworkFiles = field(default_factory=groundwork_files)

    async def stage(self, task: str, stage: Stage) -> None:
        """A stage of the task begins: said, and written for `winnow status`."""
        self.view.stage(task, stage)
        await put_state(self.store, self.run, task, IssueState(stage))


@dataclass(frozen=True)
class Job:
    """One task being worked on: what its trajectories share. inherited: the journal of the run that it is a fork of.

    members: the models of a mixture, by member.
    patient: whether the issue gets another turn for what the world fails now.
    """

    task: Task
    tools: Tools
    base: Base
    journal: Journal
    inherited: Journal | None
    model: Model
    context_model: Model
    members: Mapping[str, Model]
    patient: bool

    def pen(self, trajectory: str) -> Pen:
        """What writes the steps of a trajectory."""
        observer = self.tools.view.observe(self.task.id)
        return Pen(self.journal, trajectory, observer, self.inherited, self.tools.minds.decided)

    async def trajectory(
        self,
        name: str,
        work: Work[T],
        model: Model | None = None,
        given: Reply | ModelError | None = None,
    ) -> T:
        """Run `work` with a journaled model and sandbox; what is under way when it is cancelled is kept.

        given: see agent.ways.Means.make.
        """
        pen = self.pen(name)
        sandbox = JournaledSandbox(self.base.sandbox, pen, "sandbox", cheap_copies=self.base.cheap_copies)
        try:
            return await work(self._formed(JournaledModel(model or self.model, pen, given)), sandbox)
        finally:
            await pen.drain()
            await sandbox.close()

    def _formed(self, model: Model) -> Model:
        """The model, kept to the form of replies where the settings say so of it."""
        said = self.tools.configuration.model
        return forced(model, said.grammar, Bounds(said.grammar_lines, said.grammar_columns))

    async def mind(self, trajectory: str, member: str) -> Model | None:
        """The model of a mixture's member, None for "". Who answers in the trajectory is kept for reports."""
        if not member:
            return None
        await self.tools.store.put_result(
            self.tools.run, self.task.id, MIND, trajectory, json.dumps({"member": member})
        )
        return self.members[member]

    async def put(self, name: str, ending: Ending, detail: str = "", body: str = "") -> None:
        """Store how a trajectory ended."""
        await self.tools.store.put_trajectory(
            self.tools.run,
            self.task.id,
            name,
            ending=ending,
            is_result=ending.is_result,
            detail=detail,
            body=body,
        )

    async def evidence(
        self,
        name: str,
        candidates: Sequence[Candidate],
        settings: SelectionSettings,
        known: Evidence | None,
    ) -> Evidence:
        """Gather evidence in the trajectory `name`. known: of earlier gatherings; what it has is not gathered again."""
        trajectories = (
            await asyncio.to_thread(
                trajectories_of, self.tools.store, self.tools.run, self.task.id, candidates
            )
            if settings.looks_at_trajectories
            else None
        )

        pen = self.pen(name)
        groundwork = JournaledGroundwork.of(
            self.tools.groundwork, pen, self.task, self.tools.backend, self.tools.limits
        )

        async def work(model: Model, sandbox: Sandbox) -> Evidence:
            return await gather_evidence(
                model,
                sandbox,
                self.task,
                candidates,
                settings,
                known=known,
                trajectories=trajectories,
                groundwork=groundwork,
            )

        try:
            evidence = await self.trajectory(name, work)
        finally:
            await pen.drain()
        await self.put(name, Ending.FINISHED)
        self.tools.view.ended(self.task.id, name, Ending.FINISHED)
        return evidence
