"""All the choices, from servers that give fewer; and the cache warmed by the first of many."""

import asyncio
from dataclasses import replace

import pytest
from misbehaving import start_server

from models import (
    AllChoices,
    Budget,
    DeterministicModel,
    Message,
    OpenAIClient,
    Price,
    Request,
    ServerFault,
    Warming,
    stack,
)


def of(n, seed=None, text="Hi"):
    return Request((Message("user", text),), n=n, seed=seed)


def numbered(most):
    """A server whose choices are "CALL.INDEX", at most `most` in a call."""
    count = iter(range(1000))

    def reply(body):
        call = next(count)
        return {"contents": [f"{call}.{i}" for i in range(body.get("n", 1))], "most_choices": most}

    return reply


async def ask(server, request, wrap=AllChoices, **more):
    client = OpenAIClient("vllm/tiny", "tiny", api_base=server.url, price=Price(1, 1))
    try:
        return await wrap(client, **more).ask(request)
    finally:
        await client.close()


@pytest.mark.parametrize("most, calls", [(1, 6), (2, 3), (4, 2), (6, 1), (100, 1)])
async def test_all_choices_come_whatever_a_call_gives(most, calls):
    with start_server(numbered(most)) as server:
        reply = await ask(server, of(6))
        assert len({choice.message.content for choice in reply.choices}) == 6
        assert server.calls == calls
        assert bool(reply.notes) == (calls > 1)
        assert reply.cost == pytest.approx((reply.usage.prompt + reply.usage.completion) / 1e6)


async def test_each_call_has_another_seed_and_the_same_ones_again():
    seeds = []
    for _ in range(2):
        with start_server(numbered(1)) as server:
            await ask(server, of(4, seed=7))
            seeds.append(sorted(body["seed"] for body in server.requests))
            assert server.requests[0]["seed"] == 7
    assert len(set(seeds[0])) == 4 and seeds[0] == seeds[1]


async def test_without_a_seed_none_is_made_up():
    with start_server(numbered(1)) as server:
        await ask(server, of(3))
        assert all("seed" not in body for body in server.requests)


async def test_what_a_call_gives_is_remembered():
    with start_server(numbered(1)) as server:
        client = OpenAIClient("vllm/tiny", "tiny", api_base=server.url)
        model = AllChoices(client)
        await model.ask(of(3))
        await model.ask(of(3))
        assert [body.get("n", 1) for body in server.requests] == [3, 1, 1, 1, 1, 1]
        await client.close()


async def test_a_failure_in_between_is_retried_alone():
    with start_server(numbered(1)) as server:
        server.next({"content": "first", "most_choices": 1}, {"misbehave": "error", "status": 500})
        reply = await ask(server, of(3), stack)
        assert server.calls == 4 and len(reply.choices) == 3
        assert reply.choices[0].message.content == "first"


async def test_a_failure_without_retries_is_raised():
    with start_server(numbered(1)) as server:
        server.next({"content": "first", "most_choices": 1}, {"misbehave": "error", "status": 500})
        with pytest.raises(ServerFault):
            await ask(server, of(3))


async def test_where_the_budget_ends_what_there_is_is_kept():
    with start_server(lambda body: {"content": "x" * 1600, "most_choices": 1}) as server:
        reply = await ask(server, replace(of(5), max_tokens=200), stack, budget=Budget(tokens=1050))
        assert 1 <= len(reply.choices) < 5
        assert "budget ended" in reply.notes[0]


async def test_a_model_without_choices_is_not_asked_forever():
    with pytest.raises(ServerFault, match="no choices"):
        await AllChoices(DeterministicModel(lambda request, at: [])).ask(of(3))


class Held:
    """A model whose calls wait; the first may fail."""

    name = "held"

    def __init__(self, error=None):
        self.go, self.error, self.started = asyncio.Event(), error, 0
        self.inside = self.peak = 0

    async def ask(self, request, at=""):
        self.started += 1
        first = self.started == 1
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        await self.go.wait()
        await asyncio.sleep(0.001)
        self.inside -= 1
        if first and self.error:
            raise self.error


def with_prefix(text, mark=True):
    return Request((Message("system", "shared", cache=mark), Message("user", text)))


async def starts(inner, requests):
    """How many calls start before the first has ended, and in all."""
    model = Warming(inner)
    calls = [asyncio.create_task(model.ask(request)) for request in requests]
    for _ in range(5):
        await asyncio.sleep(0)
    early = inner.started
    inner.go.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return early, inner.started, sum(isinstance(outcome, Exception) for outcome in outcomes)


async def test_the_first_of_a_prefix_goes_ahead():
    assert await starts(Held(), [with_prefix(str(i)) for i in range(5)]) == (1, 5, 0)


async def test_other_prefixes_and_unmarked_requests_do_not_wait():
    assert await starts(Held(), [with_prefix(str(i), mark=False) for i in range(5)]) == (5, 5, 0)
    other = Request((Message("system", "other", cache=True),))
    assert await starts(Held(), [with_prefix("a"), other, with_prefix("b")]) == (2, 3, 0)


async def test_when_the_first_fails_the_others_go_on():
    inner = Held(ServerFault("x"))
    assert await starts(inner, [with_prefix(str(i)) for i in range(5)]) == (1, 5, 1)
    assert inner.peak == 4, "together, not each after the other's retries"


async def test_when_the_first_is_cancelled_the_others_go_on():
    inner = Held()
    model = Warming(inner)
    first, second = (asyncio.create_task(model.ask(with_prefix(text))) for text in "ab")
    await asyncio.sleep(0)
    first.cancel()
    inner.go.set()
    await asyncio.gather(first, second, return_exceptions=True)
    assert second.done() and not second.cancelled()
