"""All the choices that were asked for, also from servers that give fewer in one call."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

from .errors import BudgetSpent, ServerFault
from .protocol import Model, Reply, Request, Usage


class AllChoices:
    """`inner`, asked again for what it gave too few of.

    Stands outside of retry, limit and budget, so that each call is retried, limited and counted by itself, and a
    failure of one does not pay for the others again. How many choices the server gives in one call is remembered.
    """

    def __init__(self, inner: Model):
        self.name = inner.name
        self._inner = inner
        self._most: int | None = None

    async def ask(self, request: Request, at: str = "") -> Reply:
        """The reply with `request.n` choices, in the order of asking; fewer only where the budget ended in between."""
        if request.n <= 1:
            return await self._inner.ask(request, at)
        replies: list[Reply] = []
        while (missing := request.n - sum(len(reply.choices) for reply in replies)) > 0:
            sizes = _split(missing, self._most or missing)
            parts = [_part(request, size, len(replies) + i) for i, size in enumerate(sizes)]
            calls = (self._inner.ask(part, at) for part in parts)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            came = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
            failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            replies += came
            for error in failed:
                if not (isinstance(error, BudgetSpent) and replies):
                    raise error
            if failed:
                break
            if not any(reply.choices for reply in came):
                raise ServerFault(f"{self.name} gave no choices.")
            shortest = min(len(reply.choices) for reply in came)
            if shortest < max(sizes):
                self._most = max(1, shortest)
        return replies[0] if len(replies) == 1 else _joined(replies, request.n)


def _split(count: int, most: int) -> list[int]:
    """`count` in parts of at most `most`: 5 by 2 -> [2, 2, 1]."""
    return [min(most, count - start) for start in range(0, count, most)]


def _part(request: Request, size: int, call: int) -> Request:
    """A part of the request. Its seed is another one, or the server would give the same choices again."""
    if call == 0 or request.seed is None:
        return replace(request, n=size)
    seed = int(hashlib.sha256(f"{request.seed}/{call}".encode()).hexdigest()[:8], 16) >> 1
    return replace(request, n=size, seed=seed)


def _joined(replies: list[Reply], wanted: int) -> Reply:
    choices = tuple(choice for reply in replies for choice in reply.choices)[:wanted]
    costs = [reply.cost for reply in replies]
    note = f"The server gave {len(replies[0].choices)} of {wanted} choices in one call: {len(replies)} calls were made."
    if len(choices) < wanted:
        note += f" The budget ended at {len(choices)} choices."
    notes = [note] + [text for reply in replies for text in reply.notes]
    return Reply(
        choices=choices,
        usage=sum((reply.usage for reply in replies), Usage()),
        cost=None if any(c is None for c in costs) else sum(c for c in costs if c is not None),
        seconds=sum(reply.seconds for reply in replies),
        served_by=replies[0].served_by,
        notes=tuple(dict.fromkeys(notes)),
    )
