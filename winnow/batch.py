"""Work on the issues of a run: many at once, each to an end of its own, whatever happens to the others.

`winnow solve` is a run of one issue. What an issue's trajectories do is in `pipeline`; what is shared between issues
(models, budget, sandboxes, processors) is limited by wrappers, so that nothing here waits for anything but issues.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import together
from environments import GitFailed, NotSealed, PatchFails, RepositoryError, SetupFailed, Task, WorldWrong
from environments.building import Builder, BuildFailed, WrongRecipe, places_of
from models import BudgetSpent, ModelError
from sandbox import Backend, SandboxError, clean
from selection import counting
from store import RunBusy, StepChanged, Store, StoreError

from .batch_issues import (
    IssueEnding,
    IssueState,
    NotResumable,
    Stage,
    ended_results,
    over,
    put_state,
    states,
    stored_configuration,
)
from .batch_sandboxes import Machine
from .building import open_builder
from .configuration import Configuration
from .minds import Minds
from .paths import sandboxes_folder
from .pipeline import Outcome, Tools, WorldFailed, solve_task
from .progress import View
from .stored import instance_of, task_from_json, task_to_json
from .worlds import backend_of, limits_of

Ended = Callable[[str, "Outcome | BaseException"], None]
"""Told of an issue's end at each of its turns: its name, and what came of it."""

_WORLDS = (BuildFailed, SandboxError, ModelError, WorldFailed, OSError, SetupFailed)
_USERS = (StepChanged, NotSealed, PatchFails, RepositoryError, WorldWrong, NotResumable)
_NOT_AGAIN = (IssueEnding.BUILD_FAILED, IssueEnding.REFUSED, IssueEnding.WINNOW_FAILED)
"""Endings that a second turn in the same session would only repeat; `winnow resume` tries them again."""


@dataclass(frozen=True)
class Work:
    """One session of work on a run."""

    tools: Tools
    builder: Builder | None
    ended: Ended


async def work_on(
    store: Store, run: str, view: View, *, again: bool = False, ended: Ended = lambda name, outcome: None
) -> bool:
    """Work on every issue of `run` that has no result yet; whether all have one then.

    again: also on those that have one, from the journal. ended: told of every end. What is found in the journal is
    not done again. Raises store.RunBusy where another process works on the run, NotResumable, store.StoreError where
    nothing can be written, models.Refused where no call of the session could be made as asked.
    """
    issues = [name for name, state in states(store, run).items() if again or not state.settled]
    if not store.task_names(run):
        raise NotResumable(f"run {run} was stopped before its issues were written: start it anew")
    async with _session(store, run, view, ended) as work:
        await _turns(work, issues)
    return ended_results(states(store, run).values())


@contextlib.asynccontextmanager
async def _session(store: Store, run: str, view: View, ended: Ended) -> AsyncIterator[Work]:
    """The run is ours, its backend and models are open; afterwards its status says how the session ended."""
    configuration = stored_configuration(store, run)
    with store.lease(run):
        # Whatever an earlier session of this run left behind; never another run's.
        await asyncio.to_thread(clean, sandboxes_folder(), run=run)
        store.set_run(run, status="running")
        with _status(store, run):
            backend = backend_of(configuration.sandbox, run)
            minds = None
            try:
                minds = Minds(configuration, store.totals(run), view.tell)
                if lacks := await backend.lacks():
                    view.tell("not given here: " + " ".join(lacks))
                tools = Tools(
                    store,
                    run,
                    configuration,
                    minds,
                    backend,
                    Machine.of(configuration.limits),
                    limits_of(configuration.sandbox),
                    view,
                )
                async with _open_worlds(configuration, run, backend, view.tell) as builder:
                    yield Work(tools, builder, ended)
            finally:
                await backend.close()
                if minds is not None:
                    await minds.close()


@contextlib.asynccontextmanager
async def _open_worlds(
    configuration: Configuration, run: str, backend: Backend, tell: Callable[[str], None]
) -> AsyncIterator[Builder | None]:
    """What builds the worlds of a batch; nobody where `winnow solve` has prepared its one world."""
    data = configuration.data
    if data is None:
        yield None
        return
    repos, recipe, rootfs = (Path(one) if one else None for one in (data.repos, data.recipe, data.rootfs))
    async with open_builder(
        backend,
        run,
        tell,
        repos=repos,
        recipe=recipe,
        rootfs=rootfs,
        network=configuration.sandbox.build_network,
        at_once=configuration.limits.builds,
    ) as builder:
        yield builder


@contextlib.contextmanager
def _status(store: Store, run: str) -> Iterator[None]:
    status = "failed"
    try:
        yield
        status = "finished" if ended_results(states(store, run).values()) else "failed"
    except asyncio.CancelledError:
        status = "interrupted"
        raise
    finally:
        with contextlib.suppress(
            StoreError
        ):  # the disk is full, say: no reason to hide what went wrong before
            store.set_run(run, status=status, ended=time.time())


async def _turns(work: Work, issues: Sequence[str]) -> None:
    """Every issue has its turn; those that the world failed have further ones after a pause."""
    limits = work.tools.configuration.limits
    rounds = limits.rounds if work.tools.configuration.data else 1
    for number in range(1, rounds + 1):
        issues = await _round(work, issues, last=number == rounds)
        if not issues or number == rounds:
            return
        pause = limits.pause * 2 ** (number - 1)
        work.tools.view.tell(f"The world failed {len(issues)} issues; they are tried again in {pause:.0f} s.")
        await asyncio.sleep(pause)


async def _round(work: Work, issues: Sequence[str], last: bool) -> list[str]:
    """Each issue once, as many at a time as the settings say; those that another turn might help."""
    waiting = iter(issues)
    failed: list[str] = []

    async def worker() -> None:
        for name in waiting:
            state = await _issue(work, name, last)
            if not state.settled and state.ending not in _NOT_AGAIN:
                failed.append(name)

    await together([worker() for _ in range(min(work.tools.configuration.limits.issues, len(issues)))])
    return [name for name in issues if name in failed]


async def _issue(work: Work, name: str, last: bool) -> IssueState:
    """One turn of one issue. Raises what must end the whole run."""
    tools = work.tools
    outcome: Outcome | BaseException
    try:
        if tools.configuration.data and (spent := tools.minds.nothing_left()):
            raise BudgetSpent(spent)
        outcome = await solve_task(await _task(work, name), tools, last_turn=last)
        state = _state_of(outcome)
    except Exception as error:
        if _ends_the_run(error, tools):
            raise
        outcome, state = error, _failure(error)
    await put_state(tools.store, tools.run, name, state)
    tools.view.over(name, state)
    work.ended(name, outcome)
    return state


async def _task(work: Work, name: str) -> Task:
    """The issue's task; its world is built where that was not done yet, or where its files are gone."""
    tools = work.tools
    body = json.loads(tools.store.task(tools.run, name).body)
    if "snapshot" in body:
        task = task_from_json(body)
        if work.builder is not None:
            await work.builder.use(task)
        if all(place.exists() for place in places_of(task)):
            return task
    if work.builder is None or "instance" not in body:
        raise NotResumable(
            f"the frozen repository of {name} is gone (`winnow clean --worlds`): start it anew"
        )
    await tools.stage(name, Stage.BUILDING)
    try:
        task = await work.builder.task(instance_of(body))
    except (GitFailed, NotSealed, RepositoryError, SetupFailed, WorldWrong, WrongRecipe) as error:
        raise BuildFailed(str(error)) from error
    built = task_to_json(task, body["instance"])
    await asyncio.to_thread(tools.store.put_task, tools.run, name, body=built)
    return task


def _state_of(outcome: Outcome) -> IssueState:
    ranking = outcome.ranking
    votes = next((ranked.votes for ranked in ranking.order if ranked.candidate == ranking.chosen), 0)
    ending = IssueEnding.CHOSEN if ranking.chosen else IssueEnding.NOTHING
    return over(
        ending,
        ranking.why,
        chosen=ranking.chosen or "",
        votes=votes,
        tests=len(counting(outcome.evidence)[0]),
        failed=tuple(name for name, _, _ in outcome.failures),
    )


def _failure(error: Exception) -> IssueState:
    """The end of an issue that an error ended."""
    sentence = (error.sentence if isinstance(error, BuildFailed) else str(error)) or type(error).__name__
    match error:
        case BuildFailed():
            return over(IssueEnding.BUILD_FAILED, sentence, lines=tuple(error.lines))
        case BudgetSpent():
            return over(IssueEnding.COST_LIMIT, sentence)
        case WorldFailed():
            return over(
                IssueEnding.WORLD_FAILED, sentence, failed=tuple(name for name, _, _ in error.failures)
            )
        case ModelError(fault="user"):
            return over(IssueEnding.REFUSED, sentence)
    if isinstance(error, _USERS):
        return over(IssueEnding.REFUSED, sentence)
    if isinstance(error, _WORLDS):
        return over(IssueEnding.WORLD_FAILED, sentence)
    said = f"Winnow itself failed, please report it: {type(error).__name__}: {sentence}"
    return over(IssueEnding.WINNOW_FAILED, said, lines=tuple(traceback.format_exception(error)[-12:]))


def _ends_the_run(error: Exception, tools: Tools) -> bool:
    """Whether every other issue would meet the same: nothing can be written, or nobody was answered yet."""
    if isinstance(error, StoreError) and not isinstance(error, StepChanged):
        return True
    if isinstance(error, ModelError) and error.fault == "user":
        return not tools.view.spent.live_calls
    return isinstance(error, RunBusy)
