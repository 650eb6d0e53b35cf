"""Slots of a resource that many issues share: each issue's turn comes round, and nested holders cannot lock each other.

Two kinds of limits need no more than order: who has a *CPU slot* runs one command and asks for nothing meanwhile, who
has a place among the *calls in flight* (models.Limit) waits for one reply. *Sandboxes* are different: whoever has one
may need another before it gives back the first. So where every holder waits and no command runs in any sandbox, which
would last for ever, one issue at a time is let past the limit until it has given back what it got.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

STUCK = 0.2
"""Seconds for which nothing moves before somebody is let past the limit; moments between two commands are shorter."""


class Slots:
    """At most `most` held at once. Belongs to one event loop.

    nested: whether a holder may ask for another slot while it has one.
    """

    def __init__(self, most: int, *, nested: bool = False):
        self.most = most
        self.peak = 0
        self._nested = nested
        self._held: Counter[str] = Counter()
        self._busy = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._check: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Slots held now."""
        return self._held.total()

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return sum(len(line) for line in self._waiting.values())

    async def take(self, owner: str) -> None:
        """A slot for `owner`, who waits in a line of its own; lines are served in turn. Cancelled, it holds nothing."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(place)
        self._grant()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back(owner)
            else:
                self._leave(owner, place)
            raise

    def give_back(self, owner: str) -> None:
        """The end of a slot."""
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._grant()

    @asynccontextmanager
    async def one(self, owner: str) -> AsyncIterator[None]:
        """A slot for a while."""
        await self.take(owner)
        try:
            yield
        finally:
            self.give_back(owner)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Something that ends by itself goes on in a slot that is held."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._watch()

    def _grant(self) -> None:
        while self._waiting and self.held < self.most:
            self._serve(next(iter(self._waiting)))
        self._watch()

    def _serve(self, owner: str) -> None:
        """Give the first in the owner's line a slot; the owner's next turn comes after all the others'."""
        line = self._waiting.pop(owner)
        place = line.popleft()
        if line:
            self._waiting[owner] = line
        if place.done():
            return  # cancelled, and its task has not run since
        self._held[owner] += 1
        self.peak = max(self.peak, self.held)
        place.set_result(None)

    def _leave(self, owner: str, place: asyncio.Future[None]) -> None:
        line = self._waiting.get(owner)
        if line and place in line:
            line.remove(place)
            if not line:
                del self._waiting[owner]

    def _stuck(self) -> bool:
        return bool(self._waiting) and not self._busy and all(owner in self._waiting for owner in self._held)

    def _watch(self) -> None:
        if self._nested and self._check is None and self._stuck():
            self._check = asyncio.get_running_loop().call_later(STUCK, self._let_past)

    def _let_past(self) -> None:
        self._check = None
        if self._stuck() and self.held >= self.most:
            # Whoever has most is nearest to giving something back; while it is past the limit, nobody else is.
            self._serve(max(self._held, key=lambda owner: self._held[owner]))
        self._watch()
