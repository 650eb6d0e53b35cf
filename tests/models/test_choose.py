"""From names to clients."""

import json

import pytest
from misbehaving import start_server

from models import (
    Budget,
    DeterministicModel,
    LitellmClient,
    Message,
    OpenAIClient,
    Price,
    Refused,
    ReplayModel,
    Request,
    open_limit,
    open_model,
    stack,
    write_recording,
)

HI = Request((Message("user", "Hi"),), max_tokens=5)


def base(client):
    return str(client._client.base_url)


@pytest.mark.parametrize(
    "name, address",
    [
        ("vllm/Qwen/Qwen3-8B", "http://localhost:8000/v1/"),
        ("ollama/llama3:8b", "http://localhost:11434/v1/"),
        ("llamacpp/x", "http://localhost:8080/v1/"),
        ("lmstudio/x", "http://localhost:1234/v1/"),
    ],
)
def test_local_servers_at_their_usual_address(name, address):
    client = open_model(name)
    assert isinstance(client, OpenAIClient) and base(client) == address and client.name == name
    assert base(open_model(name, api_base="http://gpu:9/v1")) == "http://gpu:9/v1/"


@pytest.mark.parametrize("name", ["vllm/Qwen/Qwen3-8B", "openai/Qwen/Qwen3-8B", "Qwen/Qwen3-8B"])
async def test_a_server_of_ones_own_by_any_name(name):
    with start_server("Hello") as server:
        client = open_model(name, api_base=server.url, api_key="mine")
        assert (await client.ask(HI)).text == "Hello"
        assert server.requests[0]["model"] == "Qwen/Qwen3-8B"
        assert server.requests[0]["max_tokens"] == 5
        assert server.headers[0]["authorization"] == "Bearer mine"
        await client.close()


async def test_openais_key_is_not_sent_to_local_servers(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-precious")
    with start_server("Hello") as server:
        client = open_model("vllm/x", api_base=server.url)
        await client.ask(HI)
        assert "precious" not in str(server.headers)
        await client.close()


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o", "o3-mini", "o3"])
def test_openai_itself(monkeypatch, name):
    with pytest.raises(Refused, match="set OPENAI_API_KEY"):
        open_model(name)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    client = open_model(name)
    assert base(client) == "https://api.openai.com/v1/" and client.price is not None


@pytest.mark.parametrize(
    "name, variable, litellms",
    [
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY", "anthropic/claude-sonnet-4-5"),
        ("claude-sonnet-4-5", "ANTHROPIC_API_KEY", "anthropic/claude-sonnet-4-5"),
        ("gemini/gemini-2.5-pro", "GEMINI_API_KEY", "gemini/gemini-2.5-pro"),
        ("openrouter/qwen/qwen3-coder", "OPENROUTER_API_KEY", "openrouter/qwen/qwen3-coder"),
    ],
)
def test_other_providers_by_litellm(monkeypatch, name, variable, litellms):
    with pytest.raises(Refused, match=f"set {variable}"):
        open_model(name)
    monkeypatch.setenv(variable, "x")
    client = open_model(name)
    assert isinstance(client, LitellmClient) and client.name == litellms


@pytest.mark.parametrize(
    "name, words",
    [
        ("antropic/claude", 'did you mean "anthropic/..."'),
        ("foo/bar", "give --api-base"),
        ("foo", "write PROVIDER/NAME"),
        ("", "write PROVIDER/NAME"),
        ("vllm/", "is not known"),
        ("replay:", "is not known"),
        ("replay:/nowhere.json", "cannot be read"),
        ("deterministic:/nowhere.toml", "cannot be read"),
    ],
)
def test_what_is_not_known_is_one_sentence(name, words):
    with pytest.raises(Refused, match=words) as raised:
        open_model(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("address", ["localhost:8000", "http://", "file:///etc", "x y"])
def test_an_address_that_is_no_url(address):
    with pytest.raises(Refused, match="is no URL"):
        open_model("vllm/x", api_base=address)


def test_files(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps({"rules": [{"reply": "x"}]}))
    write_recording(tmp_path / "rec.json", "x", [])
    assert isinstance(open_model(f"deterministic:{tmp_path}/r.json"), DeterministicModel)
    assert isinstance(open_model(f"replay:{tmp_path}/rec.json"), ReplayModel)


def test_a_given_price_wins(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert open_model("gpt-4o", price=Price(1, 2)).price == Price(1, 2)


async def test_the_whole_stack_over_http():
    with start_server("Hello") as server:
        server.next({"misbehave": "rate_limit", "retry_after": 0}, {"misbehave": "cut"})
        client = open_model("vllm/x", api_base=server.url, price=Price(1, 1))
        budget = Budget(usd=1, tokens=1000)
        reply = await stack(client, budget=budget).ask(HI)
        assert reply.text == "Hello" and server.calls == 3
        assert budget.spent.usd == reply.cost > 0
        assert stack(client).name == "vllm/x"
        await client.close()


def test_a_money_budget_without_a_price_is_refused_when_stacking():
    with pytest.raises(Refused, match="No price is known for vllm/x"):
        stack(open_model("vllm/x"), budget=Budget(usd=1))


def test_where_people_run_the_server_themselves_calls_start_low():
    assert (
        open_limit("llamacpp/x").rule.limit < open_limit("vllm/x").rule.limit < open_limit("gpt-5").rule.limit
    )
    assert open_limit("gpt-5", most=3).rule.limit == 3
