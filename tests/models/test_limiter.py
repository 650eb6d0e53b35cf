"""Slots: shared, fair, and never lost, whatever ends a call."""

import asyncio
import random

import pytest
from waiting import wait_until_async

from models import Limit, Limited, LimitRule, Message, RateLimited, Reply, Request, TimedOut, Usage

HI = Request((Message("user", "Hi"),))


class Gate:
    """A model whose calls end when they are told to."""

    name = "gate"

    def __init__(self):
        self.inside = []
        self.order = []
        self.started_at = []

    async def ask(self, request, at=""):
        self.order.append(at)
        self.started_at.append(asyncio.get_running_loop().time())
        ending = asyncio.get_running_loop().create_future()
        self.inside.append(ending)
        try:
            return await ending
        finally:
            self.inside.remove(ending)

    def end(self, outcome=None):
        first = self.inside[0]
        if isinstance(outcome, BaseException):
            first.set_exception(outcome)
        else:
            first.set_result(Reply((), Usage(10, 10)))


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def limited(slots):
    gate, limit = Gate(), Limit(LimitRule(start=slots, most=slots))
    return Limited(gate, limit), gate, limit


async def test_no_more_than_the_limit_are_inside_and_in_order():
    model, gate, limit = limited(3)
    calls = [asyncio.create_task(model.ask(HI, str(i))) for i in range(10)]
    for _ in range(10):
        await settle()
        assert len(gate.inside) == limit.in_flight <= 3
        gate.end()
    await asyncio.gather(*calls)
    assert gate.order == [str(i) for i in range(10)]
    assert limit.in_flight == limit.waiting == 0


async def test_one_limit_is_shared_by_many_models():
    gate, limit = Gate(), Limit(LimitRule(start=2, most=2))
    calls = [asyncio.create_task(Limited(gate, limit).ask(HI)) for _ in range(5)]
    await settle()
    assert len(gate.inside) == 2
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert limit.in_flight == limit.waiting == 0


async def test_a_cancelled_call_gives_its_place_on():
    model, gate, limit = limited(1)
    first, second, third = (asyncio.create_task(model.ask(HI, name)) for name in "abc")
    await settle()
    second.cancel()
    await settle()
    assert limit.waiting == 1
    first.cancel()
    await settle()
    assert gate.order == ["a", "c"]
    gate.end()
    await third
    assert limit.in_flight == 0


async def test_a_call_cancelled_in_the_moment_of_its_turn():
    model, gate, limit = limited(1)
    first, second, third = (asyncio.create_task(model.ask(HI, name)) for name in "abc")
    await settle()
    limit.rule.limit = 2.0
    limit._grant()  # The second has its slot now, and has not run yet.
    second.cancel()
    await settle()
    assert gate.order == ["a", "c"] and limit.in_flight == 2
    first.cancel()
    third.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert limit.in_flight == 0


async def test_slots_survive_a_storm_of_cancellations():
    model, gate, limit = limited(4)
    rng = random.Random(3)
    calls = [asyncio.create_task(model.ask(HI, str(i))) for i in range(200)]
    while not all(call.done() for call in calls):
        await asyncio.sleep(0)
        assert len(gate.inside) <= limit.in_flight <= 4
        rng.choice(calls).cancel()
        if gate.inside and not gate.inside[0].done() and rng.random() < 0.5:
            gate.end(rng.choice([None, RuntimeError("x")]))
    await asyncio.gather(*calls, return_exceptions=True)
    assert limit.in_flight == limit.waiting == 0


@pytest.mark.parametrize("error", [RateLimited("x"), TimedOut("x")])
async def test_a_refusal_lowers_the_limit_for_all(error):
    model, gate, limit = limited(8)
    calls = [asyncio.create_task(model.ask(HI)) for _ in range(12)]
    await settle()
    gate.end(error)
    await settle()
    assert limit.rule.limit == 4 and len(gate.inside) == 7, "those inside go on, no new one starts"
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def refused(wish):
    """One call that is told to wait so many seconds, and another one in line; when it was told."""
    model, gate, _ = limited(1)
    calls = [asyncio.create_task(model.ask(HI, name)) for name in "ab"]
    await settle()
    told = asyncio.get_running_loop().time()
    gate.end(RateLimited("x", wish))
    await settle()
    return gate, calls, told


async def test_retry_after_pauses_all():
    gate, calls, told = await refused(0.1)
    await wait_until_async(lambda: len(gate.order) == 2, "the pause is over")
    assert gate.started_at[1] - told >= 0.1
    gate.end()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_retry_after_does_not_pause_for_hours():
    gate, calls, _ = await refused(3600.0)
    assert gate.order == ["a", "b"]
    gate.end()
    await asyncio.gather(*calls, return_exceptions=True)
