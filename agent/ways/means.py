"""What a way of spending compute is handed: trajectories to start, candidates weighed, decisions that are kept.

A way is an ordinary async function from `Means` to candidates. It reads like the method that it implements; that it
resumes, is limited, paid for once and seen follows from doing everything through its means (DESIGN, idea 2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from environments import Task
from models import Model, ModelError, Reply
from sandbox import Sandbox

from ..candidate import Candidate
from ..context import Context

T = TypeVar("T")

Work = Callable[[Model, Sandbox], Awaitable[T]]
"""What a trajectory does. The sandbox is the task's world with the original code, which is only ever copied."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Candidates as selection ranks them on the evidence gathered so far.

    order: ids of all that were weighed, the best first. worth: those of them that could be chosen at all (they apply,
    change something, and nothing speaks against them). sure: how likely the first is right, in [0, 1]; None where
    nothing is worth choosing. feedback: what tests and judges said of each, as text that a model may be shown.
    summaries: of how each was made, where the settings ask for them. answers: ids in groups that gave the same answer
    (the same program, or the same behaviour in everything that was run); one that changes nothing is in none.
    sound: ids that nothing speaks against, whatever the strategy: they break no existing test, and pass a
    generated one, where some count.
    """

    order: tuple[str, ...]
    worth: tuple[str, ...]
    sure: float | None = None
    feedback: Mapping[str, str] = field(default_factory=dict)
    summaries: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[tuple[str, ...], ...] = ()
    sound: tuple[str, ...] = ()


class Means(Protocol):
    """The means of one issue."""

    task: Task

    async def context(self) -> Context:
        """The files that the issue needs, chosen once for all its trajectories."""
        ...

    async def make(
        self,
        name: str,
        work: Work[Candidate],
        *,
        given: Reply | ModelError | None = None,
        mind: str = "",
    ) -> Candidate | None:
        """Run a trajectory that makes a candidate, whose id must be `name` ("attempt-3").

        mind: who answers in it, a member's name (mixture.MemberSettings); "": the run's model.
        given: what was answered to its first question already, in a request that several trajectories share (or what
        came instead); it becomes a step of this trajectory too, at no cost.

        None where the world ended it: that is told, and tried again when the run is resumed. Whoever fans out calls
        this in `together`; the limits on what is in flight are not the way's business.
        """
        ...

    async def think(self, name: str, work: Work[T], mind: str = "") -> T:
        """Run a trajectory that makes something else ("localise-2"). Raises what the work raises."""
        ...

    async def weigh(self, name: str, candidates: Sequence[Candidate]) -> Weighed:
        """Gather what evidence the settings ask for in the middle of a run, and rank by it.

        name: of this weighing ("generation-1"), once per run. Which candidates it is about is decided once and
        journaled, so that one that arrives late (the world had ended it) changes nothing that was built on it. Evidence
        gathered before, by earlier weighings, is not gathered again. Raises where the world ended a trajectory and
        the issue gets another turn for that: what follows would be built on fewer than asked for.
        """
        ...

    async def settle(self, name: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those of the candidates that what follows is about: decided once, as in `weigh`, and nothing is gathered.

        name: of this point of the way, once per run. Raises as `weigh` does.
        """
        ...

    async def so_far(self) -> Mapping[str, tuple[int, int]]:
        """By member: its candidates that nothing speaks against, and its others, in the run's issues that are done.

        Looked up once for an issue and journaled.
        """
        ...

    async def decide(self, name: str, think: Callable[[], Any]) -> Any:
        """A decision from chance, budget, clock or other trajectories: taken once, journaled. JSON can hold it."""
        ...

    async def keep(self, kind: str, body: Any) -> None:
        """Keep something about the issue for reports, under the name of its kind. JSON can hold it."""
        ...

    def tell(self, sentence: str) -> None:
        """Say something to whoever watches the run."""
        ...
