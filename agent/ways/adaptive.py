"""Independent attempts in waves, until more of them would not change the answer (`attempts = "auto"`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from models import Model, Reply, Request
from sandbox import Sandbox

from ..candidate import Candidate, Ending
from ..endings import Stopped
from .means import Means, Weighed, Work
from .stopping import AutoSettings, Why, most_calls, verdict

KIND = "attempts"
"""Under this name it is kept how many attempts an issue got, and why no more."""

Batch = Callable[[Means, range], Awaitable[list[Candidate]]]
"""Makes the attempts with these numbers by these means, side by side; those that the world ended are left out."""

_SAID: dict[Why, str] = {
    "agreement": "they agree, so more would not change the answer",
    "little to gain": "more would hardly add a right one",
    "nothing changes": "the last waves changed nothing",
    "budget": "the budget is spent",
    "most": "that is the most",
}


async def in_waves(means: Means, batch: Batch, settings: AutoSettings) -> list[Candidate]:
    """Make attempts wave by wave; after each, weigh what there is and decide whether to go on.

    Whether there is another wave follows from weighings, and is journaled: a resumed issue makes the same attempts,
    also where one that the world had ended comes late.
    """
    made: list[Candidate] = []
    weighings: list[Weighed] = []
    weighed: list[Candidate] = []
    asked, why = 0, "open"
    while why == "open":
        last = min(asked + (settings.wave if asked else settings.least), settings.most)
        shortened = _Shortened(means, most_calls(weighed, settings))
        made += await batch(shortened, range(asked + 1, last + 1))
        asked = last
        if not made:
            return []  # the world ended them all: that is told, and tried again
        if asked == settings.most:
            why = "most"
        else:
            wave = len(weighings) + 1
            weighings.append(await means.weigh(f"wave-{wave}", made))
            weighed = [one for one in made if one.id in weighings[-1].order]
            why = await means.decide(f"after wave-{wave}", partial(_why, weighings, weighed, settings))
    means.tell(f"{asked} attempts, of {settings.most} at most: {_SAID[why]}")
    await means.keep(KIND, {"made": asked, "most": settings.most, "why": why})
    return made


def _why(weighings: Sequence[Weighed], weighed: Sequence[Candidate], settings: AutoSettings) -> Why:
    """Why there is no further wave, "open" where there is."""
    if any(candidate.ending is Ending.COST_LIMIT for candidate in weighed):
        return "budget"
    return verdict(weighings, settings).why


class _Shortened:
    """The same means, but attempts are given up after so many model calls; None: never."""

    def __init__(self, means: Means, calls: int | None):
        self._means = means
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._means, name)

    async def make(self, name: str, work: Work[Candidate], *more: Any, **options: Any) -> Candidate | None:
        """See Means."""
        calls = self._calls
        if calls is None:
            return await self._means.make(name, work, *more, **options)

        async def shorter(model: Model, sandbox: Sandbox) -> Candidate:
            return await work(_UpTo(model, calls), sandbox)

        return await self._means.make(name, shorter, *more, **options)


class _UpTo:
    """A model that answers so often; asked once more, it ends the attempt, which keeps what it has."""

    def __init__(self, model: Model, calls: int):
        self.name = model.name
        self._model = model
        self._calls = calls
        self._asked = 0

    async def ask(self, request: Request, at: str = "") -> Reply:
        if self._asked >= self._calls:
            raise Stopped(
                Ending.GIVEN_UP,
                f"{self._calls} model calls were made, far more than finished attempts took",
            )
        self._asked += 1
        return await self._model.ask(request, at=at)
