"""The deterministic model: the same answers to the same questions, by a function or by a file of rules."""

import asyncio

import pytest

from models import DeterministicModel, Message, Price, Refused, Reply, Request, ToolCall

RULES = r"""
seed = 4

[[rules]]
at = "editing/(?P<turn>\\d+)$"
says = "in file (?P<file>\\S+)"
reply = 'turn {{turn}}: <edit file={{file}}> $HOME \1 {{ x }} {{other}} {{at}}'

[[rules]]
says = "judge"
replies = ["YES", "NO"]
logprobs = { NO = -2.3, YES = -0.1 }

[[rules]]
at = "short"
reply = "cut"
finish = "length"
"""


def of(text, **settings):
    return Request((Message("user", text),), **settings)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return DeterministicModel.load(path, price=Price(1, 2))


async def test_the_first_rule_that_matches_answers_by_its_template(model):
    reply = await model.ask(of("fix it in file a.py now"), "attempt-1/editing/3")
    assert reply.text == r"turn 3: <edit file=a.py> $HOME \1 {{ x }} {{other}} attempt-1/editing/3"


async def test_draws_are_by_seed_place_and_choice_and_stay(model):
    replies = [(await model.ask(of("judge", n=20), f"judge/{i}")).choices for i in range(3)]
    texts = [[choice.message.content for choice in choices] for choices in replies]
    assert set(texts[0]) == {"YES", "NO"} and texts[0] != texts[1]
    again = (await model.ask(of("judge", n=20), "judge/0")).choices
    assert [choice.message.content for choice in again] == texts[0]
    other = (await model.ask(of("judge", n=20, seed=9), "judge/0")).choices
    assert [choice.message.content for choice in other] != texts[0]


async def test_log_probabilities_where_the_rule_has_them(model):
    reply = await model.ask(of("judge", logprobs=5))
    assert reply.choices[0].logprobs[0].top == (("YES", -0.1), ("NO", -2.3))
    assert (await model.ask(of("judge"))).choices[0].logprobs is None
    assert "Log-probabilities" in (await model.ask(of("x", logprobs=5), "short")).notes[0]


async def test_usage_and_cost(model):
    reply = await model.ask(of("x" * 401), "short")
    assert (reply.usage.prompt, reply.usage.completion, reply.choices[0].finish) == (101, 1, "length")
    assert reply.cost == pytest.approx(103e-6)
    assert Reply.from_json(reply.to_json()) == reply


async def test_no_rule_says_where_and_what(model):
    with pytest.raises(Refused, match='answers "attempt-1/x", whose last message begins "hello"'):
        await model.ask(of("hello"), "attempt-1/x")


@pytest.mark.parametrize(
    "said, texts",
    [
        ("a", ["a", "a"]),
        (["a", "b"], ["a", "b"]),
        (Message("assistant", "m"), ["m", "m"]),
    ],
)
async def test_a_function_may_say_it_in_several_ways(said, texts):
    model = DeterministicModel(lambda request, at: said)
    assert [choice.message.content for choice in (await model.ask(of("x", n=2))).choices] == texts


async def test_a_function_may_call_tools_and_see_everything():
    def answer(request, at):
        return Message("assistant", at, tool_calls=(ToolCall("1", "run", request.messages[0].content),))

    choice = (await DeterministicModel(answer).ask(of("{}"), "here")).choices[0]
    assert choice.finish == "tool_calls" and choice.message.tool_calls[0].arguments == "{}"


async def test_a_rule_may_call_tools(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(
        """[[rules]]
says = 'in (?P<file>.+)'
reply = "I look at {{file}}."
calls = [{ name = "view", arguments = { path = "{{file}}", lines = [1, 2] } }, { name = "submit" }]
"""
    )
    model = DeterministicModel.load(path)
    said = (await model.ask(of('it is in a "b".py'))).choices[0]
    assert (said.finish, said.message.content) == ("tool_calls", 'I look at a "b".py.')
    assert said.message.tool_calls[0].arguments == '{"path": "a \\"b\\".py", "lines": [1, 2]}'
    assert [call.id for call in said.message.tool_calls] == ["call-1", "call-2"]


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("a.toml", "seed = ", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("a.toml", "[[rules]]\nreplay = 'x'", "wrong at rules.0.replay"),
        ("a.toml", "[[rules]]\nat = '('", "wrong at rules.0.at: .*regular expression"),
        ("a.toml", "seed = 1", "wrong at rules: "),
        ("a.json", "[]", "wrong at its top"),
        ("a.toml", None, "cannot be read: No such file"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, name, text, words):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match=words) as raised:
        DeterministicModel.load(tmp_path / name)
    assert name in str(raised.value)


async def test_many_at_once_do_not_disturb_each_other(model):
    calls = (model.ask(of(f"in file {i}.py"), f"editing/{i}") for i in range(50))
    texts = [reply.text for reply in await asyncio.gather(*calls)]
    assert all(f"turn {i}: <edit file={i}.py>" in text for i, text in enumerate(texts))
