"""From servers' wordings to our errors. The wordings are those that the servers really use."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from models import ContextOverflow, OpenAIClient, RateLimited, Refused, Request
from models.protocol import Message

HI = Request((Message("user", "Hi"),), temperature=0.5, max_tokens=10)


@pytest.fixture
async def ask(server):
    client = OpenAIClient("openai/some-model", "some-model", api_base=server.url, key_variable="SOME_API_KEY")

    async def ask(fault):
        server.next(fault)
        await client.ask(HI)

    yield ask
    await client.close()


def error(status, message, **more):
    return {"misbehave": "error", "status": status, "message": message, **more}


OVERFLOWS = {
    "openai": error(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please "
        "reduce the length of the messages.",
        code="context_length_exceeded",
    ),
    "openai, newer": error(
        400, "Your input exceeds the context window of this model. Please adjust your input."
    ),
    "vllm": error(
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 "
        "tokens and your request has 9 input tokens (5000 > 4096 - 9).",
        param="max_tokens",
    ),
    "vllm, newer": error(
        400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."
    ),
    "llama.cpp": error(400, "the request exceeds the available context size, try increasing it"),
    "llama.cpp, as 500": error(500, "the request exceeds the available context size (4096 tokens)"),
    "ollama": error(400, "prompt too long; exceeded max context length by 120 tokens"),
    "ollama, input": error(400, "the input length exceeds the context length"),
    "anthropic": error(400, "prompt is too long: 215000 tokens > 200000 maximum"),
    "anthropic, with room": error(
        400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"
    ),
    "gemini": error(
        400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    ),
    "mistral": error(
        400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"
    ),
    "tokens a minute": error(429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000"),
}


@pytest.mark.parametrize("fault", OVERFLOWS.values(), ids=OVERFLOWS.keys())
async def test_context_overflow_in_every_wording(ask, server, fault):
    with pytest.raises(ContextOverflow, match="does not fit openai/some-model"):
        await ask(fault)
    assert server.calls == 1


@pytest.mark.parametrize(
    "message", ["max_tokens must be positive", "context: unknown field", "too many requests"]
)
async def test_other_refusals_are_no_overflow(ask, message):
    with pytest.raises(Refused):
        await ask(error(400, message))


@pytest.mark.parametrize(
    "fault, wanted",
    [
        ({"misbehave": "rate_limit", "retry_after": 3}, 3.0),
        ({"misbehave": "rate_limit", "retry_after": "0.25"}, 0.25),
        ({"misbehave": "rate_limit", "retry_after": "soon"}, None),
        ({"misbehave": "rate_limit", "retry_after": "-5"}, None),
        ({"misbehave": "rate_limit"}, None),
        (error(429, "slow", headers={"retry-after-ms": "1500"}), 1.5),
        ({"misbehave": "rate_limit", "message": "Rate limit reached. Please try again in 1.2s."}, 1.2),
        ({"misbehave": "rate_limit", "message": "Please try again in 340ms."}, 0.34),
        ({"misbehave": "rate_limit", "message": 'details: [{"retryDelay": "34s"}]'}, 34.0),
        (error(503, "loading the model", headers={"Retry-After": "4"}), 4.0),
        (error(529, "Overloaded"), None),
        (error(500, "The engine is currently overloaded, please try again later"), None),
    ],
    ids=str,
)
async def test_what_the_server_wishes_is_read(ask, fault, wanted):
    with pytest.raises(RateLimited) as raised:
        await ask(fault)
    assert raised.value.retry_after == wanted


@pytest.mark.parametrize("seconds", [90, -90])
async def test_retry_after_as_a_date(ask, seconds):
    date = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)  # a header has whole seconds
    with pytest.raises(RateLimited) as raised:
        await ask({"misbehave": "rate_limit", "retry_after": format_datetime(date, usegmt=True)})
    still_to_wait = (date - datetime.now(UTC)).total_seconds()
    assert max(0, still_to_wait) <= raised.value.retry_after <= max(0, seconds)


@pytest.mark.parametrize(
    "fault, words",
    [
        (error(401, "bad"), "does not accept the key .*SOME_API_KEY"),
        (error(403, "no access"), "does not accept the key .*SOME_API_KEY"),
        (error(404, "model not found"), "does not know openai/some-model .*--api-base.*model not found"),
        (error(400, "messages: bad role"), "refuses the request .*bad role"),
        (error(429, "You exceeded your current quota", code="insufficient_quota"), "no credit left"),
        (error(402, "Your credit balance is too low"), "no credit left"),
    ],
    ids=str,
)
async def test_the_users_errors_say_what_to_do(ask, fault, words):
    with pytest.raises(Refused, match=words) as raised:
        await ask(fault)
    assert raised.value.fault == "user"


async def test_long_and_odd_server_texts_become_one_line(ask):
    with pytest.raises(Refused) as raised:
        await ask(error(400, "bad\n\n" * 5000))
    assert len(str(raised.value)) < 500 and "\n" not in str(raised.value)


async def test_a_mistake_of_ours_is_not_the_servers(server):
    client = OpenAIClient("x", "x", api_base=server.url)
    with pytest.raises(TypeError):
        await client.ask(Request((Message("user", "x"),), tools=({"function": object()},)))
    assert server.calls == 0
    await client.close()
