"""Which function a configuration's `way` names, and the settings that it is given: one line for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agent import Candidate
from agent.ways import Means
from agent.ways.adaptive import Batch, in_waves
from agent.ways.mixture import Make, MemberSettings

from .configuration import Configuration

Way = Callable[[Means, Configuration], Awaitable[list[Candidate]]]


def _independent(agent: str) -> Way:
    """Attempts that know nothing of each other, all by this agent."""

    async def way(means: Means, configuration: Configuration) -> list[Candidate]:
        from .mixing import SECTIONS

        settings = getattr(configuration, SECTIONS[agent])

        async def some(means: Means, numbers: range) -> list[Candidate]:
            return await _attempts(means, agent, settings, numbers, "")

        return await _as_many_as_said(means, configuration, some)

    return way


async def _mixture(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.mixture import by_bandit, shared

    mixture = configuration.mixture
    if mixture.by == "bandit":
        return await by_bandit(means, mixture, configuration.most_attempts, _by_members(configuration))

    async def some(means: Means, numbers: range) -> list[Candidate]:
        return await shared(means, numbers, mixture.members, _by_members(configuration))

    return await _as_many_as_said(means, configuration, some)


def _by_members(configuration: Configuration) -> Make:
    from .mixing import agent_of, settings_of

    async def make(
        means: Means, member: MemberSettings, turn: int, numbers: Sequence[int]
    ) -> list[Candidate]:
        settings = settings_of(configuration, member, turn)
        return await _attempts(means, agent_of(configuration, member), settings, numbers, member.name)

    return make


async def _attempts(
    means: Means, agent: str, settings: Any, numbers: Sequence[int], mind: str
) -> list[Candidate]:
    """The attempts with these numbers as this agent makes them. mind: as Means.make has it."""
    from agent.ways.independent import by_machines, by_tools, numbered
    from agent.ways.samples import samples

    match agent:
        case "tools":
            return await numbered(by_tools(means, settings, mind=mind), numbers)
        case "samples":
            return await samples(means, numbers, settings, mind=mind)
        case _:
            return await numbered(by_machines(means, settings, mind=mind), numbers)


async def _evoscale(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.evoscale import evoscale

    attempts, patches = configuration.most_attempts, configuration.patches
    return await evoscale(means, attempts, configuration.evoscale, patches)


async def _agentless(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.agentless import agentless

    attempts, patches = configuration.most_attempts, configuration.patches
    return await agentless(means, attempts, configuration.agentless, patches)


async def _archon(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.archon import LayerSettings, archon

    from .mixing import settings_in_layer

    async def generate(layer: LayerSettings, numbers: Sequence[int]) -> list[Candidate]:
        settings = settings_in_layer(configuration, layer)
        return await _attempts(means, layer.agent, settings, numbers, layer.member)

    attempts, patches = configuration.most_attempts, configuration.patches
    return await archon(means, attempts, configuration.archon, patches, generate)


async def _first_finish(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.first_finish import first_finishers
    from agent.ways.independent import by_tools

    make = by_tools(means, configuration.tools)
    return await first_finishers(means, make, configuration.most_attempts, configuration.first_finish)


async def _refine(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.refine import refine

    return await refine(means, configuration.tools, configuration.most_attempts, configuration.refine)


async def _distil(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.distil import distil

    return await distil(means, configuration.tools, configuration.most_attempts, configuration.distil)


async def _reasoner(means: Means, configuration: Configuration) -> list[Candidate]:
    from agent.ways.reasoner import reasoner

    attempts, patches = configuration.most_attempts, configuration.patches
    return await reasoner(means, attempts, configuration.reasoner, patches)


def way_of(configuration: Configuration) -> Way:
    """The way that makes the candidates: the one that is named, shared out among the members of a mixture."""
    from .mixing import NAMED_BY_LAYERS

    if configuration.mixture.members and configuration.way not in NAMED_BY_LAYERS:
        return _mixture
    return WAYS[configuration.way]


async def _as_many_as_said(means: Means, configuration: Configuration, some: Batch) -> list[Candidate]:
    """Attempts that know nothing of each other: a number at once, or waves until more would change nothing."""
    if configuration.attempts == "auto":
        return await in_waves(means, some, configuration.auto)
    return await some(means, range(1, configuration.attempts + 1))


WAYS: dict[str, Way] = {
    "codemonkeys": _independent("codemonkeys"),
    "tools": _independent("tools"),
    "samples": _independent("samples"),
    "evoscale": _evoscale,
    "agentless": _agentless,
    "archon": _archon,
    "first-finish": _first_finish,
    "refine": _refine,
    "distil": _distil,
    "reasoner": _reasoner,
}
"""By the names that `way` takes (configuration.Configuration.way)."""
