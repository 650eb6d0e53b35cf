"""What goes into a store and comes out of it, as frozen data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Redact = Callable[[str], str]
"""Takes what must not be written out of a text."""

Status = Literal["running", "finished", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Key:
    """A step's structural place: never an order of arrival. index counts the steps of one branch from where
    it likes; sample tells the choices of one question apart.
    """

    trajectory: str
    branch: str
    index: int
    sample: int = 0

    def __str__(self) -> str:
        place = "/".join(name for name in (self.trajectory, self.branch, str(self.index)) if name)
        return f"{place}#{self.sample}" if self.sample else place


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a request, under the label by which errors name it: "message 2 (user)", "settings",
    "command".
    """

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trajectory: what was asked, by digests, and what came back.

    kind: "ask", "given" (an answer that was paid for by a step of another trajectory, in a request that several share),
    "run" or "decide". parts: (label, digest) of the request, in order; a part labelled
    "settings" comes last. answer: JSON text. Tokens of all choices together; cost in USD, None where no price
    is known. started: unix time; seconds: wall time.
    """

    key: Key
    kind: str
    parts: tuple[tuple[str, str], ...]
    answer: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = None
    started: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run. config: JSON text; started and ended: unix time, ended None while it has not."""

    run: str
    kind: str
    status: Status
    config: str
    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task of a run. body: JSON text."""

    run: str
    task: str
    body: str


@dataclass(frozen=True, slots=True)
class TrajectoryRow:
    """A trajectory and how it ended. ending None: not ended yet; is_result: the ending was the attempt's own,
    not the world's; detail: a sentence; body: JSON text of the candidate it left.
    """

    run: str
    task: str
    trajectory: str
    ending: str | None
    is_result: bool
    detail: str
    body: str


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Something found out about a task, by kind ("evidence", "choice", "grade") and name. body: JSON text."""

    run: str
    task: str
    kind: str
    name: str
    body: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What the steps of a run or task add up to.

    cost: USD of the calls with a known price; unpriced: asks without one. seconds: wall time of all steps one
    after the other (parallel steps count each).
    """

    asks: int = 0
    runs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Spent(Totals):
    """What one trajectory's steps add up to. began, ended: unix time of its first step's start, its last one's end."""

    task: str = ""
    trajectory: str = ""
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken, without what was said in it. number: as in `Outlined`; the rest as in `Step`."""

    number: int
    task: str
    trajectory: str
    branch: str
    position: int
    kind: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: float | None
    seconds: float
    started: float


@dataclass(frozen=True, slots=True)
class Outlined:
    """A step without its answer. number: its own in this store, growing in order of writing; the rest as in `Step`."""

    number: int
    key: Key
    kind: str
    parts: tuple[tuple[str, str], ...]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: float | None
    started: float
    seconds: float
