"""Many samples of one question for a patch: first replies in few requests, repairs of each in its own trajectory."""

from __future__ import annotations

from collections.abc import Sequence

from models import Message, Model, ModelError, Reply
from sandbox import Sandbox

from ..candidate import Candidate
from ..proposing import AT, first_replies, propose
from ..settings import PatchSettings
from ..side_by_side import together
from .means import Means


async def direct_patches(
    means: Means,
    numbers: Sequence[int],
    opening: Sequence[Message],
    settings: PatchSettings,
    mind: str = "",
) -> list[Candidate]:
    """The attempts with these numbers, each a patch proposed after `opening`; those that the world ended are left out.

    Samples of one temperature share requests for their first reply (`settings.choices` in each), in a trajectory that
    is named after the first of them ("patches-11"). Which sample has which choice follows from the numbers alone.
    mind: as Means.make has it.
    """
    made = await together(
        [_batch(means, batch, opening, settings, mind) for batch in batches(numbers, settings)]
    )
    by_id = {candidate.id: candidate for batch in made for candidate in batch if candidate is not None}
    return [by_id[name] for number in numbers if (name := f"attempt-{number}") in by_id]


def batches(numbers: Sequence[int], settings: PatchSettings) -> list[list[int]]:
    """The numbers in groups of one temperature, each of at most `settings.choices`."""
    by_temperature: dict[float | None, list[int]] = {}
    for number in numbers:
        by_temperature.setdefault(settings.temperature(number), []).append(number)
    most = settings.choices
    return [group[i : i + most] for group in by_temperature.values() for i in range(0, len(group), most)]


async def _batch(
    means: Means, numbers: Sequence[int], opening: Sequence[Message], settings: PatchSettings, mind: str
) -> list[Candidate | None]:
    temperature = settings.temperature(numbers[0])
    given = await _first_round(means, numbers, opening, settings, temperature, mind)

    async def one(number: int, reply: Reply | ModelError | None) -> Candidate | None:
        name = f"attempt-{number}"

        async def work(model: Model, sandbox: Sandbox) -> Candidate:
            proposal = await propose(model, means.task, opening, settings, temperature=temperature)
            return proposal.candidate(name)

        return await means.make(name, work, given=reply, mind=mind)

    return await together([one(number, reply) for number, reply in zip(numbers, given, strict=True)])


async def _first_round(
    means: Means,
    numbers: Sequence[int],
    opening: Sequence[Message],
    settings: PatchSettings,
    temperature: float | None,
    mind: str,
) -> Sequence[Reply | ModelError | None]:
    """What each sample is given; one alone asks for itself. What ended the request ends each of its samples."""
    if len(numbers) == 1:
        return [None]

    async def work(model: Model, sandbox: Sandbox) -> Sequence[Reply | ModelError | None]:
        return await first_replies(
            model, opening, settings, count=len(numbers), temperature=temperature, at=AT
        )

    try:
        return await means.think(f"patches-{numbers[0]}", work, mind)
    except ModelError as error:
        return [error] * len(numbers)
