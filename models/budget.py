"""What may be spent: money, tokens and time, for a run and for each issue in it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from .errors import BudgetSpent, Refused
from .prices import Price, cost
from .protocol import Model, Reply, Request, Usage
from .tokens import estimate_request

_COMPLETION = 1000
"""Generated tokens that a choice is expected to have before any was seen; then it is the mean of those seen."""


@dataclass(frozen=True, slots=True)
class Spent:
    """usd; tokens (prompt and completion); seconds of wall time; calls without a known price."""

    usd: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    unpriced: int = 0


class Budget:
    """Limits, and what was spent of them. None = no limit.

    what: what it is for, as sentences say it. spent: what earlier processes of the same run spent. parent: a wider
    budget (the run's, over the issue's) of which each call is part too.
    """

    def __init__(
        self,
        usd: float | None = None,
        tokens: int | None = None,
        seconds: float | None = None,
        *,
        what: str = "this run",
        spent: Spent | None = None,
        parent: Budget | None = None,
    ):
        self.usd = usd
        self.tokens = tokens
        self.seconds = seconds
        self.what = what
        self.parent = parent
        self._before = spent or Spent()
        self._began = time.monotonic()
        self._usd = self._before.usd
        self._tokens = self._before.tokens
        self._unpriced = self._before.unpriced
        self._expected_usd = 0.0
        self._expected_tokens = 0
        self._in_flight = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def spent(self) -> Spent:
        """Of calls that have ended, and the time until now."""
        seconds = self._before.seconds + time.monotonic() - self._began
        return Spent(self._usd, self._tokens, seconds, self._unpriced)

    @property
    def limits_money(self) -> bool:
        """Whether this budget or a wider one limits money."""
        return any(budget.usd is not None for budget in self._line())

    async def take(self, usd: float, tokens: int) -> None:
        """Set aside what a call is expected to cost.

        While calls in flight hold what is missing, this waits for them: they may cost less than expected.
        Raises BudgetSpent when nothing is in flight and the call would pass a limit, or when time is up.
        """
        while (refusal := self._refusal(usd, tokens)) is not None:
            budget, error = refusal
            if error.limit == "time" or not budget._in_flight:
                raise error
            settled = asyncio.get_running_loop().create_future()
            budget._waiting.append(settled)
            await settled
        for budget in self._line():
            budget._in_flight += 1
            budget._expected_usd += usd
            budget._expected_tokens += tokens

    def settle(self, usd: float, tokens: int, usage: Usage | None, paid: float | None) -> None:
        """A call for which `take` was called has ended; usage None: it gave no reply, and counts nothing."""
        for budget in self._line():
            budget._in_flight -= 1
            budget._expected_usd -= usd
            budget._expected_tokens -= tokens
            if usage is not None:
                budget._usd += paid or 0.0
                budget._tokens += usage.prompt + usage.completion
                budget._unpriced += paid is None
            waiting, budget._waiting = budget._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _line(self) -> list[Budget]:
        """This budget and the wider ones."""
        line: list[Budget] = [self]
        while line[-1].parent is not None:
            line.append(line[-1].parent)
        return line

    def _refusal(self, usd: float, tokens: int) -> tuple[Budget, BudgetSpent] | None:
        for budget in self._line():
            spent = budget.spent
            if budget.seconds is not None and spent.seconds >= budget.seconds:
                text = f"The time for {budget.what} is up: {spent.seconds:.0f} of {budget.seconds:g} s."
                return budget, BudgetSpent(text, "time")
            if budget.usd is not None and (
                spent.usd >= budget.usd or spent.usd + budget._expected_usd + usd > budget.usd
            ):
                text = f"The budget of {budget.usd:g} USD for {budget.what} is spent: {spent.usd:.4f} USD, "
                return budget, BudgetSpent(text + f"and the next call would cost about {usd:.4f}.", "money")
            if budget.tokens is not None and (
                spent.tokens >= budget.tokens
                or spent.tokens + budget._expected_tokens + tokens > budget.tokens
            ):
                text = f"The budget of {budget.tokens} tokens for {budget.what} is spent: {spent.tokens}, "
                return budget, BudgetSpent(text + f"and the next call would take about {tokens}.", "tokens")
        return None


class Budgeted:
    """`inner`, asked only while `budget` lasts: it is never overrun by more than the calls in flight.

    Stands inside of the retry, so that every try is counted, and outside of the limit on calls in flight, so that
    waiting for the budget holds no slot.
    """

    def __init__(self, inner: Model, budget: Budget, price: Price | None = None):
        require_price(inner.name, price, budget)
        self.name = inner.name
        self._inner = inner
        self._budget = budget
        self._price = price
        self._seen = Usage()
        self._choices = 0

    async def ask(self, request: Request, at: str = "") -> Reply:
        usd, tokens = self._expected(request)
        await self._budget.take(usd, tokens)
        reply: Reply | None = None
        try:
            reply = await self._inner.ask(request, at)
            self._seen += reply.usage
            self._choices += len(reply.choices)
            return reply
        finally:
            paid = None if reply is None else reply.cost
            self._budget.settle(usd, tokens, reply.usage if reply else None, paid)

    def _expected(self, request: Request) -> tuple[float, int]:
        """(USD, tokens) that the call will probably take."""
        mean = self._seen.completion / self._choices if self._choices else _COMPLETION
        most = request.max_tokens or mean
        usage = Usage(prompt=estimate_request(request), completion=int(min(mean, most)) * request.n)
        return cost(self._price, usage) or 0.0, usage.prompt + usage.completion


def require_price(name: str, price: Price | None, budget: Budget | None) -> None:
    """Raises Refused where money is limited and what `name` costs is not known: before the first call, not after."""
    if budget is not None and budget.limits_money and price is None:
        raise Refused(
            f'No price is known for {name}, so a money budget cannot be kept: give one with --price "in,out[,cached]" '
            "(USD per million tokens), or leave --budget out."
        )
