"""Attempts that know nothing of each other, all at once: CodeMonkeys' machines, or agents that call tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from models import Model
from sandbox import Sandbox

from ..attempts import attempt
from ..candidate import Candidate
from ..settings import AttemptSettings, ToolSettings
from ..side_by_side import together
from ..tool_agent import tool_attempt
from .means import Means

Maker = Callable[[str], Awaitable[Candidate | None]]
"""Makes the attempt of this name."""


def by_machines(means: Means, settings: AttemptSettings, *, mind: str = "") -> Maker:
    """Attempts by context, a test and edits (CodeMonkeys). mind: as Means.make has it."""

    async def make(name: str) -> Candidate | None:
        context, its = await means.context(), settings.of_sample(number_of(name))

        async def work(model: Model, sandbox: Sandbox) -> Candidate:
            return await attempt(model, sandbox, means.task, context, its, name)

        return await means.make(name, work, mind=mind)

    return make


def by_tools(means: Means, settings: ToolSettings, *, mind: str = "", guidance: str = "") -> Maker:
    """Attempts by an agent that calls tools, and finds its way by itself, or by what guidance tells it.

    mind: as Means.make has it.
    """

    async def make(name: str) -> Candidate | None:
        its = settings.of_sample(number_of(name))

        async def work(model: Model, sandbox: Sandbox) -> Candidate:
            return await tool_attempt(model, sandbox, means.task, its, name, guidance)

        return await means.make(name, work, mind=mind)

    return make


def number_of(name: str) -> int:
    """The number of an attempt's name: 3 of "attempt-3"."""
    return int(name.rpartition("-")[2])


async def numbered(make: Maker, numbers: Iterable[int]) -> list[Candidate]:
    """Those with these numbers, side by side; those that the world ended are left out."""
    made = await together([make(f"attempt-{i}") for i in numbers])
    return [candidate for candidate in made if candidate is not None]
