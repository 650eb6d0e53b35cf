"""Budgets: never overrun by more than the calls in flight, and no call that cannot be counted."""

import asyncio

import pytest

from models import (
    Budget,
    Budgeted,
    BudgetSpent,
    Message,
    Price,
    Refused,
    Reply,
    Request,
    ServerFault,
    Spent,
    Usage,
    cost,
)

PRICE = Price(1.0, 1.0)
HI = Request((Message("user", "Hi"),), max_tokens=1000)


class Costly:
    """Each call takes a moment and `tokens` tokens."""

    name = "costly"

    def __init__(self, tokens=1000, price=PRICE, error=None):
        self.tokens, self.price, self.error = tokens, price, error
        self.calls = self.inside = self.peak = 0

    async def ask(self, request, at=""):
        self.calls += 1
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        await asyncio.sleep(0.001)
        self.inside -= 1
        if self.error:
            raise self.error
        usage = Usage(prompt=0, completion=self.tokens)
        return Reply((), usage, cost(self.price, usage))


async def drain(model, calls):
    outcomes = await asyncio.gather(*(model.ask(HI) for _ in range(calls)), return_exceptions=True)
    return [outcome for outcome in outcomes if isinstance(outcome, BudgetSpent)]


@pytest.mark.parametrize("limit, kind", [({"usd": 0.0105}, "money"), ({"tokens": 10_500}, "tokens")])
async def test_it_stops_before_it_is_overrun(limit, kind):
    budget, inner = Budget(**limit), Costly()
    refused = await drain(Budgeted(inner, budget, PRICE), 40)
    assert inner.calls == 10 and len(refused) == 30
    assert {error.limit for error in refused} == {kind}
    assert "this run is spent" in str(refused[0])


async def test_calls_that_cost_more_than_expected_overrun_by_those_in_flight_only():
    budget, inner = Budget(tokens=20_000), Costly(tokens=5000)
    await drain(Budgeted(inner, budget, PRICE), 60)
    assert budget.spent.tokens <= 20_000 + inner.peak * 5000
    calls = inner.calls
    await drain(Budgeted(inner, budget, PRICE), 5)
    assert inner.calls == calls, "nothing is asked any more"


async def test_calls_that_cost_less_than_expected_are_not_refused_too_early():
    budget, inner = Budget(tokens=20_000), Costly(tokens=10)
    assert not await drain(Budgeted(inner, budget, PRICE), 200)
    assert budget.spent.tokens == 2000


async def test_time():
    budget = Budget(seconds=5, spent=Spent(seconds=5.0))
    with pytest.raises(BudgetSpent, match="time for this run is up") as raised:
        await Budgeted(Costly(), budget).ask(HI)
    assert raised.value.limit == "time"


async def test_what_was_spent_before_a_resume_counts():
    budget = Budget(usd=1.0, spent=Spent(usd=0.9995, tokens=7))
    with pytest.raises(BudgetSpent):
        await Budgeted(Costly(), budget, PRICE).ask(HI)
    assert budget.spent.usd == 0.9995 and budget.spent.tokens == 7


async def test_the_runs_budget_ends_every_issue():
    run = Budget(tokens=5_500)
    first, second = (Budget(tokens=4_500, parent=run, what=f"issue {i}") for i in (1, 2))
    inner = Costly()
    assert "issue 1" in str((await drain(Budgeted(inner, first, PRICE), 10))[0])
    assert "this run" in str((await drain(Budgeted(inner, second, PRICE), 10))[0])
    assert run.spent.tokens == first.spent.tokens + second.spent.tokens == 5000


async def test_failed_and_cancelled_calls_free_what_was_set_aside():
    budget = Budget(tokens=1_500)
    with pytest.raises(ServerFault):
        await Budgeted(Costly(error=ServerFault("x")), budget).ask(HI)
    call = asyncio.create_task(Budgeted(Costly(), budget).ask(HI))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert budget.spent.tokens == 0
    assert not await drain(Budgeted(Costly(), budget), 1)


async def test_a_cancelled_waiter_does_no_harm():
    budget, inner = Budget(tokens=1_500), Costly(tokens=10)
    model = Budgeted(inner, budget)
    calls = [asyncio.create_task(model.ask(HI)) for _ in range(5)]
    await asyncio.sleep(0)
    calls[2].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert inner.calls == 4 and budget.spent.tokens == 40


@pytest.mark.parametrize("budget", [Budget(usd=1), Budget(parent=Budget(usd=1))])
async def test_money_without_a_price_is_refused_before_the_first_call(budget):
    with pytest.raises(Refused, match="--price"):
        Budgeted(Costly(), budget)


async def test_without_a_money_budget_no_price_is_needed():
    budget = Budget(tokens=100_000)
    await Budgeted(Costly(price=None), budget).ask(HI)
    assert budget.spent == Spent(0.0, 1000, budget.spent.seconds, 1) or budget.spent.unpriced == 1
