"""Recordings: answered only to what was asked when they were made."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import (
    BudgetSpent,
    Choice,
    Message,
    Refused,
    ReplayMismatch,
    ReplayModel,
    Reply,
    Request,
    ToolCall,
    Usage,
    stack,
    write_recording,
)

ASKED = Request((Message("system", "A secret prompt"), Message("user", "Fix it")), temperature=0.5)
REPLY = Reply(
    (Choice(Message("assistant", "Done \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))),)
)
AT = "attempt-1/editing/0"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "demo.json"
    steps = [
        {"at": AT, "digests": ASKED.digests(), "reply": REPLY},
        {
            "at": "attempt-1/editing/1",
            "digests": ASKED.digests(),
            "reply": {"error": "BudgetSpent", "message": "out"},
        },
    ]
    write_recording(path, "a demo", steps)
    return path


async def test_the_same_question_gets_the_same_reply(path):
    model = ReplayModel(path)
    assert await model.ask(ASKED, AT) == REPLY == await stack(model).ask(ASKED, AT)
    assert (model.about, len(model)) == ("a demo", 2)


async def test_a_recording_holds_no_request_text(path):
    assert "secret prompt" not in path.read_text() and "Fix it" not in path.read_text()


def changed(i, **fields):
    messages = list(ASKED.messages)
    messages[i] = replace(messages[i], **fields)
    return replace(ASKED, messages=tuple(messages))


@pytest.mark.parametrize(
    "request_, at, words",
    [
        (
            changed(0, content="A secret prompt."),
            AT,
            r"^message 1 \(system\) of attempt-1/editing/0 is not what was asked",
        ),
        (
            changed(1, content="Fix it\n"),
            AT,
            r"^message 2 \(user\) of attempt-1/editing/0 is not what was asked",
        ),
        (
            changed(1, role="assistant"),
            AT,
            r"^message 2 \(assistant\) .* was message 2 \(user\): .*another prompt",
        ),
        (changed(1, tool_calls=(ToolCall("", "a", ""),)), AT, r"^message 2 \(user\) .* is not what"),
        (replace(ASKED, temperature=0.6), AT, r"^settings of attempt-1/editing/0 is not what"),
        (
            replace(ASKED, messages=(*ASKED.messages, Message("user", "x"))),
            AT,
            r"^message 3 \(user\) of attempt-1/editing/0 was not recorded",
        ),
        (
            replace(ASKED, messages=ASKED.messages[:1]),
            AT,
            r"^message 2 \(user\) of attempt-1/editing/0 is missing",
        ),
        (ASKED, "attempt-2/editing/0", "no step attempt-2/editing/0: .*record it again"),
    ],
)
async def test_the_first_message_that_differs_is_named(path, request_, at, words):
    with pytest.raises(ReplayMismatch, match=words):
        await ReplayModel(path).ask(request_, at)


async def test_cache_marks_and_thinking_are_not_part_of_a_question(path):
    assert await ReplayModel(path).ask(changed(1, cache=True, thinking='{"reasoning": "x"}'), AT) == REPLY


async def test_errors_that_were_the_attempts_are_raised_again(path):
    with pytest.raises(BudgetSpent, match="out"):
        await ReplayModel(path).ask(ASKED, "attempt-1/editing/1")


async def test_other_keys_may_stand_beside(path):
    body = json.loads(path.read_text()) | {"executions": {"a": [0, "exited"]}}
    path.write_text(json.dumps(body))
    assert await ReplayModel(path).ask(ASKED, AT) == REPLY


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "cannot be read: No such file"),
        ("{", "is no JSON"),
        ("[]", "is no recording"),
        ('{"steps": [], "version": 2}', "version 2; this Winnow reads 1"),
        ('{"steps": [{"at": "x"}], "version": 1}', "step 0 is no step"),
        (
            '{"steps": [%s, %s], "version": 1}'
            % ((json.dumps({"at": "x", "digests": [], "reply": {}}),) * 2),
            "repeats x",
        ),
    ],
)
def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path, text, words):
    path = tmp_path / "r.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Refused, match=words):
        ReplayModel(path)


def test_writing_is_whole_or_not_at_all(path):
    before = path.read_text()
    with pytest.raises(TypeError):
        write_recording(path, "x", [{"at": "x", "digests": (), "reply": object()}])
    assert path.read_text() == before and [p.name for p in path.parent.iterdir()] == ["demo.json"]


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, st.lists(texts, min_size=1, max_size=3), st.integers(0, 10**6))
def test_replies_survive_json(thinking, contents, tokens):
    choices = tuple(Choice(Message("assistant", text, thinking=thinking)) for text in contents)
    reply = Reply(choices, Usage(tokens, tokens), 0.1, 1.5, "x", ("note",))
    assert Reply.from_json(json.dumps(json.loads(reply.to_json()))) == reply


async def test_tool_calls_are_replayed_and_part_of_what_was_asked(tmp_path):
    """The same conversation but for one argument of a call is another question."""
    called = Message("assistant", "", tool_calls=(ToolCall("c1", "bash", '{"command": "ls"}'),))
    asked = Request((*ASKED.messages, called, Message("tool", "a.py", tool_call_id="c1")), tools=({"a": 1},))
    path = tmp_path / "tools.json"
    write_recording(
        path,
        "tools",
        [{"at": AT, "digests": asked.digests(), "reply": Reply((Choice(called, "tool_calls"),))}],
    )
    model = ReplayModel(path)
    assert (await model.ask(asked, AT)).choices[0].message == called
    other = replace(called, tool_calls=(ToolCall("c1", "bash", '{"command": "rm"}'),))
    with pytest.raises(ReplayMismatch, match="message 3"):
        await model.ask(replace(asked, messages=(*ASKED.messages, other, asked.messages[3])), AT)
    with pytest.raises(ReplayMismatch, match="settings"):
        await model.ask(replace(asked, tools=()), AT)
