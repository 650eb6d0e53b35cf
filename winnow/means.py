"""The means of one issue (agent.ways.Means): journaled trajectories, weighing in the middle, decisions that stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from agent import Candidate, Context, Ending, ending_of, gather_context
from agent.ways import Weighed, Work
from models import Model, ModelError, Reply
from sandbox import Sandbox
from selection import (
    Evidence,
    SelectionSettings,
    behaviour_clusters,
    feedback_on,
    shown_summary,
    strategy,
    weigh,
)

from .batch_issues import Stage
from .job import Job
from .mixing import record_of, sound_in
from .stored import to_json

T = TypeVar("T")

Failure = tuple[str, Ending, str]
"""A trajectory that the world ended: its name, its ending, a sentence."""


class WorldFailed(Exception):
    """Nothing was chosen because the world failed; the message is the first failure's sentence."""

    def __init__(self, failures: Sequence[Failure]):
        super().__init__(failures[0][2])
        self.failures = tuple(failures)


class IssueMeans:
    """See agent.ways.Means.

    made: candidates by name, in the order of their making. failures: what the world ended and nobody made since.
    evidence: of the last weighing, None before the first.
    """

    def __init__(self, job: Job):
        self.task = job.task
        self.made: dict[str, Candidate] = {}
        self.failures: list[Failure] = []
        self.evidence: Evidence | None = None
        self._job = job
        self._pen = job.pen("way")
        self._context: asyncio.Task[Context] | None = None

    async def context(self) -> Context:
        """See Means."""
        if self._context is None:
            self._context = asyncio.ensure_future(self._gather_context())
        return await asyncio.shield(self._context)

    async def make(
        self,
        name: str,
        work: Work[Candidate],
        *,
        given: Reply | ModelError | None = None,
        mind: str = "",
    ) -> Candidate | None:
        """See Means."""
        job = self._job
        try:
            candidate = await job.trajectory(name, work, await job.mind(name, mind), given)
        except Exception as error:
            ending = ending_of(error)
            if ending is None:
                raise
            await job.put(name, ending, str(error))
            job.tools.view.ended(self.task.id, name, f"{ending}: {error}")
            self.failures.append((name, ending, str(error)))
            return None
        assert candidate.id == name
        self.failures = [failure for failure in self.failures if failure[0] != name]
        await job.put(name, candidate.ending, candidate.detail, to_json(candidate))
        job.tools.view.ended(
            self.task.id, name, str(candidate.ending) + ("" if candidate.patch else ", no patch")
        )
        self.made[name] = candidate
        return candidate

    async def think(self, name: str, work: Work[T], mind: str = "") -> T:
        """See Means."""
        name = f"think-{name}"
        thought = await self._job.trajectory(name, work, await self._job.mind(name, mind))
        await self._job.put(name, Ending.FINISHED)
        self._job.tools.view.ended(self.task.id, name, Ending.FINISHED)
        return thought

    async def weigh(self, name: str, candidates: Sequence[Candidate]) -> Weighed:
        """See Means."""
        asked = await self.settle(name, candidates)
        settings = self._job.tools.configuration.weighed_by
        evidence = await self._job.evidence(f"weigh-{name}", asked, settings, self.evidence)
        self.evidence = evidence
        return weighed(evidence, settings)

    async def settle(self, name: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """See Means."""
        if self.failures and self._job.patient:
            raise WorldFailed(self.failures)
        ids = await self.decide(f"weighed in {name}", lambda: [candidate.id for candidate in candidates])
        return [self.made[one] for one in ids]

    async def so_far(self) -> dict[str, tuple[int, int]]:
        """See Means."""
        job = self._job
        found = await asyncio.to_thread(record_of, job.tools.store, job.tools.run)
        known = await self.decide("members so far", lambda: found)
        return {name: (good, bad) for name, (good, bad) in known.items()}

    async def decide(self, name: str, think: Callable[[], Any]) -> Any:
        """See Means."""
        return await self._pen.decide(name, think)

    async def keep(self, kind: str, body: Any) -> None:
        """See Means."""
        job = self._job
        await job.tools.store.put_result(job.tools.run, self.task.id, kind, "way", json.dumps(body))

    def tell(self, sentence: str) -> None:
        """See Means."""
        self._job.tools.view.tell(f"{self.task.id}: {sentence}")

    async def close(self) -> None:
        """Wait for what was left under way."""
        if self._context is not None:
            self._context.cancel()
            await asyncio.wait([self._context])
        await self._pen.drain()

    async def _gather_context(self) -> Context:
        job = self._job

        async def work(model: Model, sandbox: Sandbox) -> Context:
            return await gather_context(model, self.task, job.tools.configuration.context)

        await job.tools.stage(self.task.id, Stage.CONTEXT)
        context = await job.trajectory("context", work, job.context_model)
        await job.put("context", Ending.FINISHED, body=to_json(context))
        job.tools.view.ended(self.task.id, "context", f"{len(context.files)} files")
        await job.tools.stage(self.task.id, Stage.ATTEMPTS)
        return context


def weighed(evidence: Evidence, settings: SelectionSettings) -> Weighed:
    """What the settings' strategy makes of the evidence, in the terms that ways know."""
    ranking = strategy(settings.strategy)(evidence)
    ids = [ranked.candidate for ranked in ranking.order]
    return Weighed(
        tuple(ids),
        tuple(ranked.candidate for ranked in ranking.order if ranked.worth),
        weigh(evidence)[ranking.chosen].probability if ranking.chosen else None,
        {one: feedback_on(evidence, one, settings.output_chars) for one in ids},
        {one: shown_summary(evidence.summaries[one]) for one in ids if one in evidence.summaries},
        behaviour_clusters(evidence),
        sound_in(evidence),
    )
