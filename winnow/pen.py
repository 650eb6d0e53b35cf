"""The pen of one trajectory: it gives every step its structural key and writes it before the trajectory sees it.

DESIGN, idea 2: a key is (trajectory, branch, index), never an order of arrival. The index counts the steps of one
branch, so a function that fans out names its branches and each of them is sequential.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.protocol import digest
from store import Journal, Key, Part, Step, StepChanged

FAILED = '{"error"'
"""How the answer of a call begins that ended by the attempt's own fault."""

Observer = Callable[[Step, bool], None]
"""Told of every step: the step, and whether it was paid for now (True) or answered by the journal (False)."""


class Pen:
    """Writes the steps of the trajectory `trajectory` into `journal`.

    inherited: another run's journal, whose answers may be used again where the very same is asked. decided: what the
    recording that is replayed says of decisions, by place.
    """

    def __init__(
        self,
        journal: Journal,
        trajectory: str,
        observer: Observer | None = None,
        inherited: Journal | None = None,
        decided: Mapping[str, Any] | None = None,
    ):
        self.journal = journal
        self.trajectory = trajectory
        self._inherited = inherited
        self._decided = decided or {}
        self._observer = observer or (lambda step, live: None)
        self._indices: Counter[str] = Counter()
        self._writing: set[asyncio.Task[Any]] = set()

    def key(self, branch: str) -> Key:
        """The next key of `branch`. Call it before the first await, so that order in a branch is order of asking."""
        index = self._indices[branch]
        self._indices[branch] += 1
        return Key(self.trajectory, branch, index)

    def recall(self, key: Key, parts: Sequence[tuple[str, str]]) -> Step | None:
        """The journal's step, None where it has none. Raises store.StepChanged naming the part that differs."""
        step = self.journal.recall(key, parts)
        if step is not None:
            self._observer(step, False)
        return step

    def inherit(self, key: Key, parts: Sequence[tuple[str, str]]) -> Step | None:
        """The other run's answer to the same question at the same place, at no cost: it was paid for there."""
        if self._inherited is None:
            return None
        try:
            step = self._inherited.recall(key, parts)
        except StepChanged:
            return None  # another question by now, which is what forks are for
        if step is None or step.answer.startswith(FAILED):
            return None
        return replace(step, cost=0.0)

    async def write(self, step: Step, texts: Sequence[Part]) -> None:
        """Durable when it returns."""
        await self.journal.append(step, texts)
        self._observer(step, True)

    async def finish(self, work: Awaitable[Any]) -> Any:
        """Await `work` to its end even where the trajectory is cancelled: what is under way is paid for, so kept."""
        task = asyncio.ensure_future(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the steps that a cancelled trajectory left under way; their failures no longer matter."""
        while self._writing:
            await asyncio.wait(self._writing)  # not gather, which would cancel them when this is cancelled

    async def decide(self, name: str, think: Callable[[], Any]) -> Any:
        """A decision taken from the clock, a budget, chance or another trajectory: taken once, journaled for good.

        think returns something that JSON can hold, or what is awaited for it: what that starts, and what it raises, is
        of no moment once it is decided. A replayed recording's decision comes before it. Source: DESIGN, idea 2.
        """
        key = self.key(f"decide/{name}")
        parts = (("decision", digest(name)),)
        if step := self.recall(key, parts):
            return json.loads(step.answer)
        if place(key) in self._decided:
            answer = self._decided[place(key)]
        else:
            answer = think()
            if inspect.isawaitable(answer):
                answer = await answer
        # No seconds: what it waited for has steps of its own.
        step = Step(key, "decide", parts, json.dumps(answer), 0, 0, 0, None, time.time(), 0.0)
        await self.finish(self.write(step, [Part("decision", name)]))
        return answer


def place(key: Key) -> str:
    """A key as recordings and clients see it: "attempt-2/editing/3"."""
    return f"{key.trajectory}/{key.branch}/{key.index}"


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of a failure that nobody waits for any more, which asyncio would complain of at the end."""
    if not task.cancelled():
        task.exception()
