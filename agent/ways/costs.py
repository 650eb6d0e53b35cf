"""What each way takes for one issue: model calls, and how many candidates it weighs on the way. Pure, from settings.

Reading the repository (`Means.context`) is not in it: it depends on the repository. Typical figures are those of the
shipped recordings of the demo's issue, an easy one; the length of an attempt by tools is a guess, half of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ..calls import NONE, Calls
from ..localising import LocalisingSettings
from ..settings import AttemptSettings, PatchSettings, ToolSettings
from .archon import ArchonSettings
from .distil import DistilSettings, waves
from .evoscale import EvoscaleSettings, generations
from .first_finish import FirstFinishSettings
from .mixture import MixtureSettings
from .patches import batches
from .reasoner import ReasonerSettings
from .stopping import AutoSettings


@dataclass(frozen=True, slots=True)
class Cost:
    """calls: of the way's own trajectories. weighed: how many candidates each weighing in the middle is about, at most.

    made: candidates that there are in the end, at most. context: whether the files for the issue are chosen first.
    """

    calls: Calls
    made: int
    weighed: tuple[int, ...] = ()
    context: bool = True


def of_machines(settings: AttemptSettings) -> Calls:
    """One attempt by a test and edits: each is written and approved, or written anew."""
    testing, editing = settings.testing_calls, settings.editing_calls
    typical = min(2, testing) + min(3, editing)
    return Calls(min(2, testing) + min(2, editing), typical, testing + editing)


def of_tools(settings: ToolSettings) -> Calls:
    """One attempt by tools: it changes something and submits, or uses all its steps."""
    return Calls(min(2, settings.steps), ceil(settings.steps / 2), settings.steps)


def of_patches(numbers: Sequence[int], settings: PatchSettings) -> Calls:
    """Direct patches: a request for each batch of first replies; at most one for each reply, where a server gives one
    choice at a time."""
    requests = len(batches(numbers, settings))
    return Calls(requests, requests, len(numbers) * settings.calls)


def in_waves(one: Calls, settings: AutoSettings) -> Cost:
    """Independent attempts, as many as needed. Typically two waves."""
    least, most = min(settings.least, settings.most), settings.most
    typical = min(most, least + settings.wave)
    calls = Calls(least * one.lower, typical * one.typical, most * one.upper)
    return Cost(calls, most, tuple(range(least, most, settings.wave)))


def first_finish(attempts: int, settings: FirstFinishSettings, tools: ToolSettings) -> Cost:
    """The others are stopped when the first are done, so they have made about as many calls as those."""
    one = of_tools(tools)
    return Cost(Calls(attempts, attempts * one.typical, attempts * one.upper), attempts, context=False)


def refine(attempts: int, tools: ToolSettings) -> Cost:
    """One after the other; typically half of them."""
    one = of_tools(tools)
    calls = Calls(one.lower, ceil(attempts / 2) * one.typical, attempts * one.upper)
    return Cost(calls, attempts, tuple(range(1, attempts)), context=False)


def distil(attempts: int, settings: DistilSettings, tools: ToolSettings) -> Cost:
    first, told = waves(attempts, settings)
    return Cost(of_tools(tools).times(attempts), attempts, (first,) if told else (), context=False)


def evoscale(attempts: int, settings: EvoscaleSettings, patches: PatchSettings) -> Cost:
    parts = generations(attempts, settings.population)
    calls = sum((of_patches(part, patches) for part in parts), NONE)
    last = [part[-1] if settings.among == "all" else len(part) for part in parts[:-1]]
    return Cost(calls, attempts, tuple(last))


def agentless(attempts: int, settings: LocalisingSettings, patches: PatchSettings) -> Cost:
    """Files, definitions, lines; then patches in shares."""
    samples = min(settings.samples, attempts)
    found = Calls(3, 3, 2 * settings.calls + samples)
    shares = [range(i + 1, attempts + 1, samples) for i in range(samples)]
    return Cost(sum((of_patches(share, patches) for share in shares), found), attempts, context=False)


def reasoner(attempts: int, settings: ReasonerSettings, patches: PatchSettings) -> Cost:
    """Two phases of samples, each said and judged; then patches from what was kept."""
    one = Calls(2, 2, patches.calls + settings.judge_samples)
    starts = [range(i + 1, attempts + 1, settings.beam) for i in range(min(settings.beam, attempts))]
    phases = one.times(2 * settings.samples)
    return Cost(sum((of_patches(start, patches) for start in starts), phases), attempts, context=False)


def archon(
    attempts: int,
    settings: ArchonSettings,
    patches: PatchSettings,
    attempt: AttemptSettings,
    tools: ToolSettings,
) -> Cost:
    """Layer by layer; a verifier is taken to let all through. Without any patch only the first layers do something."""
    calls, least, pool, weighed = NONE, 0, 0, []
    for layer, numbers in zip(settings.layers, settings.numbers(attempts), strict=True):
        times, reply = layer.samples or 1, Calls(1, 1, patches.calls)
        match layer.kind:
            case "generate":
                by_agent = {"codemonkeys": of_machines(attempt), "tools": of_tools(tools)}
                one = by_agent.get(layer.agent)
                made = one.times(len(numbers)) if one else of_patches(numbers, patches)
                calls, least = calls + made, least + made.lower
                pool += len(numbers)
            case "fuse":
                calls += of_patches(numbers, patches)
                pool = len(numbers) + (0 if layer.replace else pool)
            case "critique" | "verify":
                calls += reply.times(times * pool)
            case "rank":
                calls += reply.times(times if pool > 1 else 0)
                pool = min(pool, layer.keep or pool)
            case "test":
                weighed.append(pool)
                pool = min(pool, layer.keep or pool)
    return Cost(Calls(least, calls.typical, calls.upper), attempts, tuple(weighed))


def mixture(attempts: int, settings: MixtureSettings, members: Sequence[Calls]) -> Cost:
    """At least all by the cheapest, at most all by the dearest. members: what one attempt of each takes."""
    calls = Calls(
        attempts * min(one.lower for one in members),
        attempts * sum(one.typical for one in members) // len(members),
        attempts * max(one.upper for one in members),
    )
    if settings.by == "share" or settings.success == "patch":
        return Cost(calls, attempts)
    wave = settings.wave or len(settings.members)
    return Cost(calls, attempts, tuple(range(wave, attempts, wave)))
