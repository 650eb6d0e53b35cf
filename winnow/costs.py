"""What a configuration takes for one issue, in model calls: before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent import Calls
from agent.ways import costs
from agent.ways.costs import Cost
from selection import selection_calls

from .configuration import Configuration
from .mixing import NAMED_BY_LAYERS, agent_of, settings_of

ONE: dict[str, Callable[[Any], Calls]] = {
    "codemonkeys": costs.of_machines,
    "tools": costs.of_tools,
    "samples": lambda patches: costs.of_patches([1], patches),
}
"""By agent: what one attempt takes."""

WAYS: dict[str, Callable[[Configuration], Cost]] = {
    "codemonkeys": lambda c: _independent(c, costs.of_machines(c.attempt)),
    "tools": lambda c: _independent(c, costs.of_tools(c.tools), context=False),
    "samples": lambda c: _samples(c),
    "first-finish": lambda c: costs.first_finish(c.most_attempts, c.first_finish, c.tools),
    "refine": lambda c: costs.refine(c.most_attempts, c.tools),
    "distil": lambda c: costs.distil(c.most_attempts, c.distil, c.tools),
    "evoscale": lambda c: costs.evoscale(c.most_attempts, c.evoscale, c.patches),
    "agentless": lambda c: costs.agentless(c.most_attempts, c.agentless, c.patches),
    "reasoner": lambda c: costs.reasoner(c.most_attempts, c.reasoner, c.patches),
    "archon": lambda c: costs.archon(c.most_attempts, c.archon, c.patches, c.attempt, c.tools),
}
"""One line for each way (winnow/ways.py)."""


@dataclass(frozen=True, slots=True)
class IssueCost:
    """Model calls for one issue. way: its trajectories; selection: all weighing; context: whether the files are chosen
    first, which takes a call for each source file and `rankings` more, and none where all source fits into the window.
    """

    way: Calls
    selection: Calls
    context: bool
    rankings: int

    @property
    def all(self) -> Calls:
        """Without the context stage."""
        return self.way + self.selection


def cost_of(configuration: Configuration) -> IssueCost:
    """What an issue takes under this configuration."""
    c = configuration
    if c.mixture.members and c.way not in NAMED_BY_LAYERS:
        cost = _mixture(c)
    else:
        cost = WAYS[c.way](c)
    weighing = selection_calls(c.selection, cost.made, cost.weighed, c.weighed_by if cost.weighed else None)
    return IssueCost(cost.calls, weighing, cost.context, c.context.rankings)


def _independent(c: Configuration, one: Calls, context: bool = True) -> Cost:
    if c.attempts == "auto":
        cost = costs.in_waves(one, c.auto)
        return Cost(cost.calls, cost.made, cost.weighed, context)
    return Cost(one.times(c.most_attempts), c.most_attempts, context=context)


def _samples(c: Configuration) -> Cost:
    """Whose first replies share requests: fewer than one for each."""
    attempts = c.most_attempts
    made = costs.of_patches(range(1, attempts + 1), c.patches)
    if c.attempts != "auto":
        return Cost(made, attempts)
    weighed = costs.in_waves(ONE["samples"](c.patches), c.auto).weighed
    first = costs.of_patches(range(1, min(c.auto.least, attempts) + 1), c.patches)
    return Cost(Calls(first.lower, min(2 * first.typical, made.typical), made.upper), attempts, weighed)


def _mixture(c: Configuration) -> Cost:
    members = c.mixture.members
    each = [ONE[agent_of(c, member)](settings_of(c, member)) for member in members]
    cost = costs.mixture(c.most_attempts, c.mixture, each)
    context = any(agent_of(c, member) != "tools" for member in members)
    return Cost(cost.calls, cost.made, cost.weighed, context)
