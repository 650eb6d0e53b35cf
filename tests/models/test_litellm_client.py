"""Other providers through litellm, over HTTP: its OpenAI and its Anthropic side against a server on loopback."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from misbehaving import start_server
from waiting import PATIENCE, wait_until_async

from models import (
    ContextOverflow,
    LitellmClient,
    Message,
    ModelError,
    Price,
    RateLimited,
    Refused,
    Request,
    ServerFault,
    TimedOut,
    ToolCall,
    known_price,
)
from models.classify import Asked, classify
from models.litellm_client import load_litellm

HI = Request((Message("user", "Hi"),), temperature=0.5, max_tokens=20)


def claude(text="Hello", **usage):
    """A message as Anthropic's server gives it."""
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    counted = {"input_tokens": 10, "output_tokens": 5, **usage}
    body = {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": None}
    return body | {
        "content": [thinking, {"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": counted,
    }


@pytest.fixture
async def asked(server):
    """litellm's OpenAI side."""
    client = LitellmClient("openai/some-model", api_base=server.url, api_key="k", timeout=PATIENCE)
    yield client
    await client.close()


@pytest.fixture
async def anthropic():
    with start_server(lambda body: {"body": claude()}) as server:
        url = server.url.removesuffix("/v1")
        name = "anthropic/claude-sonnet-4-5"
        client = LitellmClient(name, api_base=url, api_key="k", timeout=PATIENCE, price=known_price(name))
        yield client, server
        await client.close()


async def test_everything_passes_through(asked, server):
    server.next({"contents": ["a", "b"], "logprobs": {"a": -0.1}, "cached": 1})
    reply = await asked.ask(Request(HI.messages, n=2, seed=3, logprobs=1, stop=("x",), max_tokens=9))
    assert [choice.message.content for choice in reply.choices] == ["a", "b"]
    assert reply.choices[0].logprobs[0].top == (("a", -0.1),) and reply.usage.cached == 1
    sent = server.requests[0]
    assert (sent["n"], sent["seed"], sent["top_logprobs"], sent["stop"]) == (2, 3, 1, ["x"])


@pytest.mark.parametrize(
    "fault, error",
    [
        ({"misbehave": "error", "status": 500}, ServerFault),
        ({"misbehave": "error", "status": 503}, ServerFault),
        ({"misbehave": "cut"}, None),
        ({"misbehave": "hang_up"}, None),
        ({"misbehave": "truncated"}, ServerFault),
        ({"misbehave": "not_json"}, ServerFault),
        ({"misbehave": "empty_choices"}, ServerFault),
        ({"misbehave": "null_content"}, ServerFault),
        ({"misbehave": "overflow"}, ContextOverflow),
        ({"misbehave": "error", "status": 401, "message": "bad key"}, Refused),
        ({"misbehave": "error", "status": 404, "message": "no model"}, Refused),
        ({"misbehave": "error", "status": 400, "message": "bad thing"}, Refused),
    ],
    ids=str,
)
async def test_faults_are_classified_and_asked_once(asked, server, fault, error):
    server.next(fault)
    with pytest.raises(error or ModelError) as raised:
        await asked.ask(HI)
    assert raised.value.fault == (error or ServerFault).fault and server.calls == 1
    assert "litellm." not in str(raised.value) and "\n" not in str(raised.value)


async def test_retry_after_comes_through(asked, server):
    server.next({"misbehave": "rate_limit", "retry_after": 3})
    with pytest.raises(RateLimited) as raised:
        await asked.ask(HI)
    assert raised.value.retry_after == 3 and server.calls == 1


async def test_no_answer_in_time(server):
    client = LitellmClient("openai/some-model", api_base=server.url, api_key="k", timeout=2)
    server.next({"misbehave": "slow", "seconds": 3600})
    with pytest.raises(TimedOut):
        await client.ask(HI)
    await wait_until_async(lambda: server.calls, "the call has arrived")
    assert server.calls == 1
    await client.close()


async def test_many_at_once(asked, server):
    replies = await asyncio.gather(*(asked.ask(HI) for _ in range(20)))
    assert len(replies) == server.calls == 20


async def test_anthropic_gets_cache_marks_and_its_thinking_back(anthropic):
    client, server = anthropic
    system = Message("system", "The code " * 10, cache=True)
    said = (await client.ask(Request((system, Message("user", "Fix it"))))).choices[0].message
    assert said.content == "Hello"
    await client.ask(Request((system, Message("user", "Fix it", cache=True), said, Message("user", "Sure?"))))
    first, second = server.requests
    assert first["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in json.dumps(first["messages"])
    assert second["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert second["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


async def test_anthropic_takes_at_most_four_marks(anthropic):
    client, server = anthropic
    roles = ("user", "assistant") * 4
    await client.ask(Request(tuple(Message(role, role, cache=True) for role in (*roles, "user"))))
    assert json.dumps(server.requests[0]).count("cache_control") == 4


async def test_anthropics_cached_tokens_are_priced(anthropic):
    client, server = anthropic
    server.next({"body": claude(cache_read_input_tokens=1000, cache_creation_input_tokens=100)})
    reply = await client.ask(HI)
    usage = reply.usage
    assert (usage.prompt, usage.cached, usage.cache_written, usage.completion) == (1110, 1000, 100, 5)
    assert reply.cost == pytest.approx((10 * 3 + 1000 * 0.3 + 100 * 3.75 + 5 * 15) / 1e6)


async def test_what_anthropic_does_not_have_is_left_out_with_a_note(anthropic):
    client, server = anthropic
    reply = await client.ask(Request(HI.messages, n=3, seed=1, logprobs=2))
    assert reply.text == "Hello" and server.calls == 1
    assert {note.split()[5].rstrip(":") for note in reply.notes} == {"n", "seed", "logprobs"}


async def test_anthropics_overflow_and_overload(anthropic):
    client, server = anthropic
    server.next(
        {"misbehave": "error", "status": 400, "message": "prompt is too long: 210000 tokens > 200000 maximum"}
    )
    with pytest.raises(ContextOverflow):
        await client.ask(HI)
    server.next({"misbehave": "error", "status": 529, "message": "Overloaded"})
    with pytest.raises(RateLimited):
        await client.ask(HI)


async def test_tool_calls_with_anthropic(anthropic):
    client, server = anthropic
    use = {"type": "tool_use", "id": "t1", "name": "run", "input": {"command": "ls"}}
    server.next({"body": claude() | {"content": [use], "stop_reason": "tool_use"}})
    tool = {
        "type": "function",
        "function": {"name": "run", "parameters": {"type": "object", "properties": {}}},
    }
    choice = (await client.ask(Request(HI.messages, tools=(tool,)))).choices[0]
    assert choice.finish == "tool_calls" and choice.message.tool_calls[0] == ToolCall(
        "t1", "run", '{"command": "ls"}'
    )
    answer = Message("tool", "a.py", tool_call_id="t1", cache=True)
    await client.ask(Request((*HI.messages, choice.message, answer), tools=(tool,)))
    assert server.requests[1]["messages"][1]["content"][0]["type"] == "tool_use"
    assert "cache_control" in json.dumps(server.requests[1]["messages"][2])  # what has grown is cached too


def test_a_package_that_litellm_lacks_is_named_not_retried():
    error = load_litellm().APIConnectionError("No module named 'boto9'", llm_provider="bedrock", model="x")
    error.__cause__ = ModuleNotFoundError("No module named 'boto9'")
    refused = classify(error, Asked("bedrock/x"))
    assert isinstance(refused, Refused) and "boto9" in str(refused)


def test_it_is_imported_by_the_first_call_and_told_to_keep_quiet(server):
    code = (
        "import asyncio, sys\n"
        "from models import LitellmClient, Message, Request\n"
        f"client = LitellmClient('openai/x', api_base={server.url!r}, api_key='k')\n"
        "assert 'litellm' not in sys.modules\n"
        "async def main():\n"
        "    await client.ask(Request((Message('user', 'x'),)))\n"
        "    await client.close()\n"
        "asyncio.run(main())\n"
        "import os\n"
        "assert os.environ['LITELLM_MODE'] == 'PRODUCTION' and 'litellm' in sys.modules\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LITELLM")}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert server.calls == 1


def test_price_of_a_claude_is_known():
    assert known_price("anthropic/claude-sonnet-4-5") == Price(3.0, 15.0, 0.3, 3.75)
