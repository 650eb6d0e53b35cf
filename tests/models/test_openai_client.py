"""The OpenAI-compatible client against a real server that misbehaves."""

import asyncio
import json
import socket

import pytest
from misbehaving import start_server
from waiting import PATIENCE, wait_until, wait_until_async

from models import (
    ContextOverflow,
    Message,
    OpenAIClient,
    Price,
    RateLimited,
    Refused,
    Reply,
    Request,
    ServerFault,
    TimedOut,
    ToolCall,
    Unreachable,
    left_out,
)


def ask_of(text="Hi", **settings):
    return Request((Message("system", "Be brief."), Message("user", text)), **settings)


@pytest.fixture
async def client(server):
    client = OpenAIClient(
        "vllm/tiny", "tiny", api_base=server.url, api_key="sk-secret-secret-secret", timeout=PATIENCE
    )
    yield client
    await client.close()


async def test_what_is_asked_arrives(client, server):
    tool = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}
    await client.ask(
        ask_of(temperature=0.5, max_tokens=99, n=3, seed=7, logprobs=2, stop=("END",), tools=(tool,))
    )
    body = server.requests[0]
    assert body.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    assert body == {
        "model": "tiny",
        "temperature": 0.5,
        "max_tokens": 99,
        "n": 3,
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 2,
        "stop": ["END"],
        "tools": [tool],
    }
    assert server.paths == ["/v1/chat/completions"]


async def test_settings_left_to_the_server_are_not_sent(client, server):
    await client.ask(ask_of())
    assert set(server.requests[0]) == {"model", "messages"}


async def test_what_comes_back_is_read(client, server):
    server.next({"content": "Fine", "cached": 5, "reasoning": 2, "tokens": 9, "model": "tiny-1"})
    reply = await client.ask(ask_of("x" * 400))
    assert (reply.text, reply.served_by, reply.cost, reply.notes) == ("Fine", "tiny-1", None, ())
    assert (reply.usage.cached, reply.usage.reasoning, reply.usage.completion) == (5, 2, 9)
    assert reply.seconds > 0
    assert Reply.from_json(reply.to_json()) == reply


async def test_n_choices_and_their_finish(client, server):
    server.next({"contents": ["a", "b", "c"], "finish": "length"})
    reply = await client.ask(ask_of(n=3))
    assert [(c.message.content, c.finish) for c in reply.choices] == [
        ("a", "length"),
        ("b", "length"),
        ("c", "length"),
    ]


async def test_log_probabilities(client, server):
    server.next({"content": "YES", "logprobs": {"YES": -0.1, "NO": -2.4}})
    first = (await client.ask(ask_of(logprobs=2))).choices[0].logprobs[0]
    assert (first.token, first.logprob, first.top) == ("YES", -0.1, (("YES", -0.1), ("NO", -2.4)))


async def test_lacking_log_probabilities_get_a_note(client, server):
    server.next({"content": "YES", "logprobs": False})
    reply = await client.ask(ask_of(logprobs=2))
    assert reply.choices[0].logprobs is None
    assert "Log-probabilities" in reply.notes[0]


async def test_lacking_usage_is_estimated_with_a_note(client, server):
    server.next({"content": "YES" * 50, "usage": False})
    reply = await client.ask(ask_of("word " * 100))
    assert reply.usage.prompt > 100 and reply.usage.completion > 20
    assert "estimated" in reply.notes[0]


async def test_cost_with_cached_tokens(server):
    price = Price(10.0, 100.0, cached=1.0)
    client = OpenAIClient("x", "x", api_base=server.url, price=price)
    server.next({"content": "abcd" * 10, "cached": 100})
    reply = await client.ask(Request((Message("user", "abcd" * 1000),)))
    assert reply.cost == pytest.approx((900 * 10 + 100 * 1 + 10 * 100) / 1e6)
    await client.close()


async def test_tool_calls_there_and_back(client, server):
    call = {"id": "c1", "type": "function", "function": {"name": "run", "arguments": '{"a": 1'}}
    server.next({"contents": [None], "tool_calls": [call]})
    reply = await client.ask(ask_of())
    message = reply.choices[0].message
    assert (
        message.tool_calls == (ToolCall("c1", "run", '{"a": 1'),) and reply.choices[0].finish == "tool_calls"
    )
    await client.ask(Request((Message("user", "Hi"), message, Message("tool", "done", tool_call_id="c1"))))
    sent = server.requests[1]["messages"]
    assert sent[1]["tool_calls"] == [call] and sent[1]["content"] is None
    assert sent[2] == {"role": "tool", "content": "done", "tool_call_id": "c1"}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thinking_goes_back_in_the_form_it_came(client, server, field):
    server.next({"content": "4", "thinking": {field: "2 and 2"}})
    said = (await client.ask(ask_of())).choices[0].message
    assert json.loads(said.thinking) == {field: "2 and 2"}
    await client.ask(Request((Message("user", "2+2?"), said, Message("user", "Sure?"))))
    assert server.requests[1]["messages"][1] == {"role": "assistant", "content": "4", field: "2 and 2"}


async def test_inline_thinking_leaves_the_content(client, server):
    server.next("<think>\nIs <edit> right?\n</think>\n\nYes")
    said = (await client.ask(ask_of())).choices[0].message
    assert said.content == "Yes" and "Is <edit> right?" in said.thinking
    await client.ask(Request((said,)))
    assert server.requests[1]["messages"] == [{"role": "assistant", "content": "Yes"}]


async def test_think_tags_inside_an_answer_stay(client, server):
    server.next("Look: <think>no</think>")
    assert (await client.ask(ask_of())).text == "Look: <think>no</think>"


async def test_thinking_that_is_refused_is_left_out(client, server):
    said = Message("assistant", "4", thinking='{"reasoning_content": "hm"}')
    server.next(
        {"misbehave": "error", "status": 400, "message": "reasoning_content is not supported in input"}
    )
    await client.ask(Request((said,)))
    assert "reasoning_content" not in server.requests[1]["messages"][0]


async def test_a_refused_temperature_is_left_out_from_then_on(client, server):
    server.next(
        {
            "misbehave": "reject",
            "param": "temperature",
            "message": "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default "
            "(1) value is supported.",
        }
    )
    for _ in range(2):
        reply = await client.ask(ask_of(temperature=0.5))
        assert reply.notes == ("The server does not take temperature: it was left out.",)
    assert ["temperature" in body for body in server.requests] == [True, False, False]


@pytest.mark.parametrize(
    "status, words",
    [
        (400, "registry/library/small does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (404, "No endpoints found that support tool use."),
        (500, "tools param requires --jinja flag"),
    ],
)
async def test_tools_that_a_server_cannot_call_are_left_out_and_the_reply_says_so(
    client, server, status, words
):
    tool = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}
    server.next({"misbehave": "error", "status": status, "message": words})
    for _ in range(2):
        assert left_out("tools") in (await client.ask(ask_of(tools=(tool,)))).notes
    assert ["tools" in body for body in server.requests] == [True, False, False]


async def test_max_completion_tokens_where_max_tokens_is_refused(client, server):
    server.next(
        {
            "misbehave": "reject",
            "param": "max_tokens",
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
        }
    )
    await client.ask(ask_of(max_tokens=50))
    await client.ask(ask_of(max_tokens=50))
    assert server.requests[0]["max_tokens"] == 50
    for body in server.requests[1:]:
        assert body["max_completion_tokens"] == 50 and "max_tokens" not in body


async def test_several_refusals_of_one_request(client, server):
    server.next(*({"misbehave": "reject", "param": p} for p in ("temperature", "logprobs", "stop", "seed")))
    reply = await client.ask(ask_of(temperature=0.5, logprobs=3, stop=("x",), seed=1))
    assert set(server.requests[-1]) == {"model", "messages"}
    assert len(reply.notes) == 4 and server.calls == 5


@pytest.mark.parametrize("param", ["grammar", "chat_template_kwargs"])
async def test_a_server_that_takes_no_grammar_is_asked_without(client, server, param):
    """What goes with it goes with it. llama.cpp's takes both; they are sent only where a grammar is asked for."""
    server.next({"misbehave": "reject", "param": param})
    reply = await client.ask(ask_of(grammar='root ::= "YES"'))
    assert server.requests[0]["grammar"] == 'root ::= "YES"'
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert set(server.requests[1]) == {"model", "messages"} and "does not take grammar" in reply.notes[0]


@pytest.mark.parametrize(
    "message",
    [
        "Only one completion choice is allowed",
        "Field 'n': Value must be between 1 <= value <= 2, but got 4",
        "'n' is not supported by this server",
        "n > 1 is not available",
    ],
)
async def test_a_server_with_one_choice_a_call(client, server, message):
    server.next({"misbehave": "error", "status": 400, "message": message})
    reply = await client.ask(ask_of(n=4))
    assert len(reply.choices) == 1 and "does not take n" in reply.notes[0]


async def test_a_refusal_of_something_else_is_not_sent_twice(client, server):
    server.next(
        {"misbehave": "error", "status": 400, "message": "messages[1].role is unknown", "param": "messages"}
    )
    with pytest.raises(Refused, match="role is unknown"):
        await client.ask(ask_of(temperature=0.5, n=2, seed=1, stop=("x",)))
    assert server.calls == 1


async def test_a_cap_on_generated_tokens_is_learnt(client, server):
    text = "max_tokens is too large: 9999. This model supports at most 4096 completion tokens, not 9999."
    server.next({"misbehave": "error", "status": 400, "message": text, "param": "max_tokens"})
    await client.ask(ask_of(max_tokens=9999))
    assert server.requests[1]["max_tokens"] == 4096


async def test_room_for_long_thought(client, server):
    server.next(
        {"contents": [None], "finish": "length", "thinking": {"reasoning_content": "hm"}, "tokens": 100}
    )
    reply = await client.ask(ask_of(max_tokens=100))
    assert reply.text == "Hello" and "reasoning used all" in reply.notes[0]
    assert [body["max_tokens"] for body in server.requests] == [100, 400]
    assert reply.usage.completion == 102, "both calls are paid"
    await client.ask(ask_of(max_tokens=100))
    assert server.requests[2]["max_tokens"] == 400


async def test_room_that_does_not_help_is_asked_for_once(client, server):
    server.next(*[{"content": "", "finish": "length", "tokens": 100}] * 2)
    reply = await client.ask(ask_of(max_tokens=100))
    assert server.calls == 2 and reply.choices[0].finish == "length" and reply.text == ""


async def test_room_that_the_window_does_not_have(client, server):
    server.next({"content": "", "finish": "length"}, {"misbehave": "overflow"})
    reply = await client.ask(ask_of(max_tokens=100))
    assert reply.choices[0].finish == "length"
    await client.ask(ask_of(max_tokens=100))
    assert server.requests[-1]["max_tokens"] == 100


async def test_a_cut_off_answer_is_an_answer(client, server):
    server.next({"content": "half", "finish": "length"})
    assert (await client.ask(ask_of(max_tokens=5))).text == "half"
    assert server.calls == 1


@pytest.mark.parametrize(
    "fault, error",
    [
        ({"misbehave": "empty_choices"}, ServerFault),
        ({"misbehave": "null_content"}, ServerFault),
        ({"misbehave": "truncated"}, ServerFault),
        ({"misbehave": "not_json"}, ServerFault),
        ({"body": []}, ServerFault),
        ({"body": {"choices": [None]}}, ServerFault),
        ({"body": {"error": {"code": 502, "message": "upstream"}}}, ServerFault),
        ({"body": {"error": {"code": 429, "message": "slow down"}}}, RateLimited),
        ({"misbehave": "error", "status": 500}, ServerFault),
        ({"misbehave": "error", "status": 503}, ServerFault),
        ({"misbehave": "error", "status": 529}, RateLimited),
        ({"misbehave": "rate_limit"}, RateLimited),
        ({"misbehave": "cut"}, Unreachable),
        ({"misbehave": "hang_up"}, Unreachable),
        ({"misbehave": "overflow"}, ContextOverflow),
        (
            {"misbehave": "error", "status": 401, "message": "Incorrect API key: sk-secret-secret-secret"},
            Refused,
        ),
        ({"misbehave": "error", "status": 404, "message": "no such model"}, Refused),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_faults_are_classified_and_asked_once(client, server, fault, error):
    server.next(fault)
    with pytest.raises(error) as raised:
        await client.ask(ask_of(max_tokens=7))
    assert type(raised.value) is error
    assert server.calls == 1, "retries are the business of Retrying alone"
    text = str(raised.value)
    assert text and "\n" not in text and "secret-secret" not in text
    assert (await client.ask(ask_of())).text == "Hello", "the client still works"


async def test_some_null_choices_are_left_out(client, server):
    server.next({"contents": ["a", None, "c"]})
    assert [c.message.content for c in (await client.ask(ask_of(n=3))).choices] == ["a", "c"]


async def test_a_content_filter_is_an_ending_not_an_error(client, server):
    server.next(
        {
            "misbehave": "error",
            "status": 400,
            "code": "content_filter",
            "message": "content management policy",
        },
        {"contents": [None], "finish": "content_filter"},
    )
    for _ in range(2):
        assert (await client.ask(ask_of())).choices[0].finish == "content_filter"


async def test_no_answer_in_time(server):
    client = OpenAIClient("vllm/tiny", "tiny", api_base=server.url, timeout=0.2)
    server.next({"misbehave": "slow", "seconds": 3600})
    with pytest.raises(TimedOut):
        await client.ask(ask_of())
    await client.close()


async def test_nobody_listens():
    with socket.socket() as kept:  # nobody else gets its port meanwhile
        kept.bind(("127.0.0.1", 0))
        client = OpenAIClient("vllm/tiny", "tiny", api_base=f"http://127.0.0.1:{kept.getsockname()[1]}/v1")
        with pytest.raises(Unreachable, match="cannot be reached: .*--api-base"):
            await client.ask(ask_of())
        await client.close()


async def test_a_hundred_at_once():
    def echo(body):
        wait_until(lambda: server.peak > 50, "more than 50 calls are in flight")
        return body["messages"][1]["content"]

    with start_server(echo) as server:
        client = OpenAIClient("vllm/tiny", "tiny", api_base=server.url)
        replies = await asyncio.gather(*(client.ask(ask_of(str(i))) for i in range(100)))
        assert [reply.text for reply in replies] == [str(i) for i in range(100)]
        await wait_until_async(lambda: server.answered == 100, "the server has counted what it answered")
        assert (server.calls, server.in_flight) == (100, 0)
        await client.close()


async def test_odd_text_survives(client, server):
    text = "a\x00b \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") + "\r\n{{ x }}"
    await client.ask(ask_of(text))
    assert server.requests[0]["messages"][1]["content"] == text


async def test_lone_surrogates_do_not_crash(client, server):
    await client.ask(ask_of("bad \udc80 byte"))
    assert server.calls == 1
