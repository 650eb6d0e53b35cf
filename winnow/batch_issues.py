"""How the issues of a run stand, as the store has it: written at every stage, read by batch and `status`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from store import Store

if TYPE_CHECKING:
    from .configuration import Configuration

KIND, NAME = "issue", "state"
"""Kind and name of the result in the store."""


class NotResumable(Exception):
    """The store does not hold what is needed to go on with a run; the message says why."""


class Stage(StrEnum):
    """What is done about an issue now."""

    WAITING = "waiting"
    BUILDING = "building"
    CONTEXT = "context"
    ATTEMPTS = "attempts"
    SELECTION = "selection"
    OVER = "over"


class IssueEnding(StrEnum):
    """How an issue ended: the first three are results, the others were the world's or the user's doing."""

    CHOSEN = "patch chosen"
    NOTHING = "nothing worth choosing"
    COST_LIMIT = "cost limit"

    BUILD_FAILED = "build failed"
    WORLD_FAILED = "world failed"
    REFUSED = "refused"
    WINNOW_FAILED = "winnow failed"

    @property
    def is_result(self) -> bool:
        return self in _RESULTS


_RESULTS = frozenset({IssueEnding.CHOSEN, IssueEnding.NOTHING, IssueEnding.COST_LIMIT})


@dataclass(frozen=True, slots=True)
class IssueState:
    """One issue. since: unix time of the stage's beginning. ending: set when it is over; sentence: why.

    lines: the last lines of a build that failed. chosen: the candidate's id. votes: of `tests` generated tests that
    count, how many it passed. failed: attempts that the world ended, which a resumed run tries again.
    """

    stage: Stage = Stage.WAITING
    since: float = field(default_factory=time.time)
    ending: IssueEnding | None = None
    sentence: str = ""
    lines: tuple[str, ...] = ()
    chosen: str = ""
    votes: int = 0
    tests: int = 0
    failed: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether nothing is left to try: it has a result, and the world ended none of its attempts."""
        return self.ending is not None and self.ending.is_result and not self.failed


_STATE = TypeAdapter(IssueState)


def over(ending: IssueEnding, sentence: str = "", **more: object) -> IssueState:
    """The state of an issue that ended."""
    return replace(IssueState(Stage.OVER, ending=ending, sentence=sentence), **more)


async def put_state(store: Store, run: str, issue: str, state: IssueState) -> None:
    """Write how an issue stands."""
    await store.put_result(run, issue, KIND, NAME, _STATE.dump_json(state).decode())


def states(store: Store, run: str) -> dict[str, IssueState]:
    """How every issue of a run stands, in the run's order; those that nothing is written of wait."""
    found = {row.task: _STATE.validate_json(row.body) for row in store.each_result(run, KIND)}
    return {name: found.get(name, IssueState(since=0.0)) for name in store.task_names(run)}


def stored_configuration(store: Store, run: str) -> Configuration:
    """A run's configuration. Raises NotResumable."""
    # It takes longer to import than all the rest, and whoever only reads states needs none of it.
    from .configuration import Configuration

    row = store.run(run)
    if row.kind in ("import", "validation"):
        raise NotResumable(
            f"run {row.run} is of kind {row.kind}, without attempts of its own to go on with: `winnow grade` and "
            "`winnow report` are for it"
        )
    try:
        return Configuration.model_validate_json(row.config)
    except ValidationError as error:
        raise NotResumable(
            f"run {run} was made by another version of Winnow, whose settings this one does not know: "
            f"go on with that version, or start it anew ({str(error).splitlines()[0]})"
        ) from None


def ended_results(found: Iterable[IssueState]) -> bool:
    """Whether every issue has an end that is a result, and none of its attempts was the world's victim."""
    return all(state.settled for state in found)
