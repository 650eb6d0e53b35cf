"""Attempts by several members feed one selection: other models, other agents, other temperatures.

Which member makes which attempt follows from their shares, or is drawn between waves of attempts by Thompson sampling:
a member is tried as often as it may be the best by what it achieved so far, here and in the run's earlier issues.
Sources: Thompson, "On the likelihood that one unknown probability exceeds another" (1933); several draws at a time:
Kandasamy et al., "Parallelised Bayesian Optimisation via Thompson Sampling" (2018).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import ceil
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..candidate import Candidate, Ending
from ..side_by_side import together
from .means import Means

_STRICT = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

Record = Mapping[str, tuple[int, int]]
"""By member: how many of its candidates were a success, and how many were not."""


class MemberSettings(BaseModel):
    """One member of a mixture: who answers, and how it makes an attempt."""

    model_config = _STRICT

    name: str = Field(default="", max_length=200)
    """By which reports and layers name it. Default: the model's name."""

    model: str = ""
    """As `--model` takes it. Default: the run's model."""

    api_base: str | None = None
    """The endpoint's URL, where it is not the provider's own."""

    price: str | None = None
    """USD per million tokens as "prompt,completion[,cached]", where no price is known."""

    share: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How many attempts it makes, beside the other members' shares. Not looked at where a bandit decides."""

    agent: Literal["codemonkeys", "tools", "samples"] | None = None
    """How it makes an attempt: by a test and edits, by tools, or as one direct sample. Default: the run's way."""

    temperatures: tuple[float | None, ...] = ()
    """Of its first, second ... attempt, from the beginning again when they are used up. Default: its settings'."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """What is other than in the run's section of its agent: [attempt], [tools] or [patches]."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, said: Any) -> Any:
        if isinstance(said, dict) and not said.get("name"):
            if not said.get("model"):
                raise ValueError("a member needs a name or a model")
            return {**said, "name": said["model"]}
        return said


class MixtureSettings(BaseModel):
    """Who makes the attempts, where it is not one model in one way."""

    model_config = _STRICT

    members: tuple[MemberSettings, ...] = ()
    """Without any, all attempts are made by the run's way and model."""

    by: Literal["share", "bandit"] = "share"
    """share: by the members' shares. bandit: by what they achieve."""

    success: Literal["worth", "patch"] = "worth"
    """What a bandit counts as one. worth: nothing speaks against the candidate when all there are by then are weighed,
    which runs tests after each wave; patch: it ended by itself with a patch, which costs nothing to see."""

    wave: int | None = Field(default=None, ge=1)
    """Attempts between two draws of a bandit; None: as many as there are members."""

    earlier: bool = True
    """Whether a bandit also counts what the members achieved in the run's issues that are done: candidates that
    nothing spoke against at the end."""

    seed: int = 0
    """Of a bandit's draws, with the issue's name."""

    @model_validator(mode="after")
    def _one_each(self) -> MixtureSettings:
        names = Counter(member.name for member in self.members)
        if twice := [name for name, times in names.items() if times > 1]:
            raise ValueError(f"two members are called {twice[0]!r}: give each a name of its own")
        return self


Make = Callable[[Means, MemberSettings, int, Sequence[int]], Awaitable[list[Candidate]]]
"""Makes a member's attempts with these numbers, side by side, at the temperature at this place (from 0) of its list."""


async def shared(
    means: Means, numbers: Sequence[int], members: Sequence[MemberSettings], make: Make
) -> list[Candidate]:
    """The attempts with these numbers (from 1), each by the member that the shares give it to."""
    names = [member.name for member in by_shares(members, max(numbers))]
    return await _made(means, members, names, numbers, make)


def by_shares(members: Sequence[MemberSettings], attempts: int) -> list[MemberSettings]:
    """Who makes attempt 1, 2 ...: after each of them every member is as near to its share as can be.

    The next attempt is made by whoever lacks most of its share so far (largest remainder, ties by order), so that fewer
    attempts are the beginning of more, and interleaved.
    """
    whole = sum(member.share for member in members)
    made = [0] * len(members)
    order = []
    for number in range(1, attempts + 1):
        lacks = [member.share / whole * number - made[i] for i, member in enumerate(members)]
        # Rounded, so that equal shares are ties however they were added up.
        next_ = max(range(len(members)), key=lambda i: (round(lacks[i], 9), -i))
        made[next_] += 1
        order.append(members[next_])
    return order


def thompson(record: Record, draws: int, seed: str) -> list[str]:
    """The members of the next `draws` attempts: each time the one with the highest draw from its Beta posterior."""
    random = Random(seed)
    order = []
    for _ in range(draws):
        drawn = {name: random.betavariate(1 + good, 1 + bad) for name, (good, bad) in record.items()}
        order.append(max(drawn, key=lambda name: drawn[name]))
    return order


async def by_bandit(means: Means, settings: MixtureSettings, attempts: int, make: Make) -> list[Candidate]:
    """`attempts` candidates in waves, each wave by the members that are drawn for it."""
    before = await means.so_far() if settings.earlier else {}
    size = settings.wave or len(settings.members)
    names: list[str] = []
    candidates: list[Candidate] = []
    good: frozenset[str] = frozenset()
    for wave in range(1, ceil(attempts / size) + 1):
        if candidates:
            good = await _successes(means, settings, wave - 1, candidates)
        record = _added(settings.members, before, names, candidates, good)
        made, seed = len(names), f"{settings.seed} {means.task.id} {wave}"
        draws = min(size, attempts - made)
        names += await means.decide(f"members of wave {wave}", partial(thompson, record, draws, seed))
        numbers = range(made + 1, len(names) + 1)
        candidates += await _made(means, settings.members, names, numbers, make)
    return candidates


async def _made(
    means: Means, members: Sequence[MemberSettings], names: Sequence[str], numbers: Sequence[int], make: Make
) -> list[Candidate]:
    """The attempts with these numbers, side by side. names: of the members of all attempts so far."""
    by_name = {member.name: member for member in members}
    groups: dict[tuple[str, int], list[int]] = {}
    for number in numbers:
        name = names[number - 1]
        turns = len(by_name[name].temperatures) or 1
        turn = (list(names[:number]).count(name) - 1) % turns
        groups.setdefault((name, turn), []).append(number)
    made = await together([make(means, by_name[name], turn, some) for (name, turn), some in groups.items()])
    by_id = {candidate.id: candidate for some in made for candidate in some}
    return [by_id[one] for number in numbers if (one := f"attempt-{number}") in by_id]


async def _successes(
    means: Means, settings: MixtureSettings, wave: int, candidates: Sequence[Candidate]
) -> frozenset[str]:
    """The ids of the candidates that count as a success."""
    if settings.success == "worth":
        return frozenset((await means.weigh(f"wave-{wave}", candidates)).sound)
    there = await means.settle(f"wave-{wave}", candidates)
    return frozenset(c.id for c in there if c.patch.strip() and c.ending is Ending.FINISHED)


def _added(
    members: Sequence[MemberSettings],
    before: Record,
    names: Sequence[str],
    candidates: Sequence[Candidate],
    good: frozenset[str],
) -> dict[str, tuple[int, int]]:
    """The record of earlier issues with this one's. An attempt that the world ended says nothing of its member."""
    record = {member.name: before.get(member.name, (0, 0)) for member in members}
    there = {candidate.id for candidate in candidates}
    for i, name in enumerate(names, 1):
        if f"attempt-{i}" in there:
            won, lost = record[name]
            success = f"attempt-{i}" in good
            record[name] = (won + success, lost + (not success))
    return record
