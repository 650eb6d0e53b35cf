"""Retrying: what is tried again, how long, and what the server wished."""

import asyncio

import pytest
from misbehaving import start_server

from models import (
    ContextOverflow,
    Message,
    OpenAIClient,
    RateLimited,
    Refused,
    Reply,
    Request,
    Retrying,
    ServerFault,
    Unreachable,
    stack,
)

HI = Request((Message("user", "Hi"),))


class Clock:
    """Time that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self):
        return self.now


class Failing:
    name = "failing"

    def __init__(self, *errors, then=True):
        self.errors = list(errors)
        self.then = then
        self.calls = 0

    async def ask(self, request, at=""):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0) if self.then else self.errors[0]
        return Reply(())


def retrying(model, patience=100.0, **more):
    clock = Clock()
    return Retrying(model, patience, sleep=clock.sleep, clock=clock, **more), clock


async def test_the_worlds_errors_are_tried_again():
    model = Failing(ServerFault("a"), Unreachable("b"), RateLimited("c"))
    tried, clock = retrying(model)
    await tried.ask(HI)
    assert model.calls == 4 and len(clock.slept) == 3


@pytest.mark.parametrize(
    "error", [ContextOverflow("x"), Refused("x"), ValueError("x"), asyncio.CancelledError()]
)
async def test_others_are_not(error):
    model = Failing(error)
    tried, clock = retrying(model)
    with pytest.raises(type(error)):
        await tried.ask(HI)
    assert model.calls == 1 and not clock.slept


async def test_waits_double_with_jitter_and_end():
    tried, clock = retrying(Failing(ServerFault("x"), then=False), patience=1000)
    with pytest.raises(ServerFault):
        await tried.ask(HI)
    for i, wait in enumerate(clock.slept):
        step = min(60, 0.5 * 2**i)
        assert step / 2 <= wait <= step
    assert len(set(clock.slept)) == len(clock.slept), "no two waits are the same"
    assert 900 < clock.now <= 1000


async def test_the_last_error_is_the_one_raised():
    tried, _ = retrying(Failing(*(ServerFault(str(i)) for i in range(50))), patience=3)
    with pytest.raises(ServerFault) as raised:
        await tried.ask(HI)
    assert str(raised.value) != "0"


async def test_retry_after_is_the_least_waited():
    tried, clock = retrying(Failing(RateLimited("x", 20.0)))
    await tried.ask(HI)
    assert 20.0 < clock.slept[0] < 21.0


async def test_a_wish_beyond_the_patience_is_not_waited_for():
    model = Failing(RateLimited("x", 3600.0))
    tried, clock = retrying(model)
    with pytest.raises(RateLimited):
        await tried.ask(HI)
    assert model.calls == 1 and not clock.slept


async def test_patience_counts_from_the_first_failure_of_each_call():
    model = Failing()
    tried, clock = retrying(model, patience=60)
    for _ in range(3):
        model.errors = [RateLimited("x", 50.0)]
        await tried.ask(HI)
    assert clock.now > 150


async def test_somebody_is_told():
    heard = []
    tried, clock = retrying(
        Failing(ServerFault("down")), told=lambda error, wait: heard.append((error, wait))
    )
    await tried.ask(HI)
    assert [(str(error), wait) for error, wait in heard] == [("down", clock.slept[0])]


async def test_a_server_that_misbehaves_in_every_way_is_outlived():
    kinds = (
        "rate_limit",
        "error",
        "cut",
        "empty_choices",
        "null_content",
        "truncated",
        "hang_up",
        "not_json",
    )
    with start_server("Hello") as server:
        server.next(*({"misbehave": kind} for kind in kinds), {"misbehave": "rate_limit", "retry_after": 0})
        client = OpenAIClient("vllm/tiny", "tiny", api_base=server.url)
        tried, _ = retrying(client, patience=10_000)
        assert (await tried.ask(HI)).text == "Hello"
        assert server.calls == len(kinds) + 2
        await client.close()


async def test_a_waiting_retry_holds_no_slot():
    from models import Limit, LimitRule

    with start_server("Hello") as server:
        server.next({"misbehave": "error", "status": 500})
        client = OpenAIClient("vllm/tiny", "tiny", api_base=server.url)
        limit = Limit(LimitRule(start=1, most=1))
        waits = []
        model = stack(client, limit=limit, told=lambda error, wait: waits.append(limit.in_flight))
        replies = await asyncio.gather(*(model.ask(HI) for _ in range(3)))
        assert [reply.text for reply in replies] == ["Hello"] * 3
        assert waits == [0] or waits == [1], "the slot of the failed call was free, or another's by then"
        await client.close()
