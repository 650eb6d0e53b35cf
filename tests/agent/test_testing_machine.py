"""The testing machine: what ends it, what it keeps, and what the model is told on the way."""

import pytest
from waiting import PATIENCE

from agent import AttemptSettings, Ending, Script, write_test
from agent.endings import KilledSandbox
from models import BudgetSpent, Choice, ContextOverflow, Message, RateLimited, Refused, Reply, Usage

SETTINGS = AttemptSettings(script_timeout=PATIENCE)


def test_block(code, output="seen"):
    return f"So:\n<<<<< TEST\n#!/bin/sh\necho {output}\nexit {code}\n>>>>> END\n"


test_block.__test__ = False
DONE = "It shows the issue.\n<<<<< DONE\n"


async def machine(scripted, make_task, make_base, replies, settings=SETTINGS, deaths=None, first=None):
    task = make_task()
    model = scripted(replies)
    return await write_test(model, make_base(task, deaths), task, settings, first), model


def told(model):
    return model.asked[-1][1].messages[-1].content


async def test_a_test_is_shown_its_run_and_approved(scripted, make_task, make_base):
    result, model = await machine(scripted, make_task, make_base, [test_block(2), DONE])
    assert result.script == Script("sh", "#!/bin/sh\necho seen\nexit 2\n") and result.run.exit_code == 2
    assert (result.approved, result.ending, result.calls) == (True, Ending.FINISHED, 2)
    assert (
        "Exit code: 2 (the issue is present)" in told(model)
        and "seen" in told(model)
        and "7 replies left" in told(model)
    )
    assert {at for at, _ in model.asked} == {"testing"}
    request = model.asked[0][1]
    assert (request.temperature, request.max_tokens) == (0.5, 4096) and request.messages[0].cache


async def test_each_request_begins_with_the_one_before(scripted, make_task, make_base):
    _, model = await machine(scripted, make_task, make_base, [test_block(0), "hm", test_block(2), DONE])
    asked = [request.messages for _, request in model.asked]
    assert all(later[: len(earlier)] == earlier for earlier, later in zip(asked, asked[1:], strict=False))
    assert [message.role for message in asked[-1]] == ["system", "user", *["assistant", "user"] * 3]


async def test_a_rewritten_test_replaces_the_first(scripted, make_task, make_base):
    result, model = await machine(
        scripted, make_task, make_base, [test_block(1), test_block(2, "better"), DONE]
    )
    assert "better" in result.script.text and result.run.output == "better\n"
    assert "must exit with 2 here" in model.asked[1][1].messages[-1].content


async def test_malformed_replies_are_mended_and_count(scripted, make_task, make_base):
    replies = ["What test?", DONE, test_block(2) + DONE, "<<<<< TEST\n#!/bin/sh", test_block(2), DONE]
    result, model = await machine(scripted, make_task, make_base, replies)
    reasons = [request.messages[-1].content for _, request in model.asked[1:5]]
    for reason, word in zip(
        reasons, ["no block", "no test yet", "2 blocks", "ends in the middle"], strict=True
    ):
        assert word in reason and "could not be used" in reason
    assert result.approved and result.calls == 6


async def test_a_test_that_does_not_show_the_issue_is_approved_only_when_insisted_on(
    scripted, make_task, make_base
):
    result, model = await machine(scripted, make_task, make_base, [test_block(0), DONE, DONE])
    assert result.approved and result.run.exit_code == 0 and result.calls == 3
    assert "not approved yet: it exited with 0" in told(model)


async def test_when_the_calls_are_used_up_the_last_test_is_kept(scripted, make_task, make_base):
    result, _ = await machine(scripted, make_task, make_base, [test_block(2, str(i)) for i in range(9)])
    assert (result.ending, result.calls, result.approved) == (Ending.STEP_LIMIT, 8, False)
    assert result.run.output == "7\n"


async def test_nothing_but_malformed_replies(scripted, make_task, make_base):
    result, _ = await machine(scripted, make_task, make_base, ["no"] * 9)
    assert (result.script, result.run, result.ending, result.calls) == (None, None, Ending.MALFORMED, 8)


async def test_no_calls_allowed(scripted, make_task, make_base):
    result, model = await machine(
        scripted, make_task, make_base, [], SETTINGS.model_copy(update={"testing_calls": 0})
    )
    assert result.script is None and result.calls == 0 and not model.asked


async def test_a_first_test_is_begun_with(scripted, make_task, make_base):
    first = Script("sh", "#!/bin/sh\n<<<<< DONE\nexit 2\n")
    result, model = await machine(scripted, make_task, make_base, [DONE], first=first)
    assert result.script == first and result.approved
    messages = model.asked[0][1].messages
    assert messages[2].role == "assistant" and "\\<<<<< DONE" in messages[2].content
    assert "Exit code: 2" in messages[3].content


@pytest.mark.parametrize(
    ("error", "ending"),
    [(ContextOverflow("too long"), Ending.CONTEXT_LIMIT), (BudgetSpent("x"), Ending.COST_LIMIT)],
)
async def test_limits_of_the_model_keep_what_there_is(scripted, make_task, make_base, error, ending):
    result, _ = await machine(scripted, make_task, make_base, [test_block(2), error])
    assert (result.ending, result.calls, result.run.exit_code) == (ending, 1, 2) and result.detail == str(
        error
    )


@pytest.mark.parametrize("error", [RateLimited("x"), Refused("wrong key")])
async def test_other_errors_go_up(scripted, make_task, make_base, error):
    with pytest.raises(type(error)):
        await machine(scripted, make_task, make_base, [test_block(2), error])


async def test_a_script_that_kills_its_sandbox_ends_the_machine_with_the_test_before(
    scripted, make_task, make_base
):
    deaths = {"testing-2": KilledSandbox("out of memory")}
    result, _ = await machine(
        scripted, make_task, make_base, [test_block(2, "one"), test_block(2, "two")], deaths=deaths
    )
    assert result.ending is Ending.KILLED_SANDBOX and result.run.output == "one\n"


async def test_the_window_ends_the_conversation_before_it_overflows(scripted, make_task, make_base):
    def counted(request, at):
        return Reply((Choice(Message("assistant", test_block(2))),), Usage(prompt=5_000, completion=900))

    settings = SETTINGS.model_copy(update={"context_window": 10_000})
    result, model = await machine(scripted, make_task, make_base, counted, settings)
    assert (result.ending, result.calls) == (Ending.CONTEXT_LIMIT, 1) and len(model.asked) == 1
    assert "window of 10000" in result.detail


async def test_without_counts_of_the_server_the_window_is_estimated(scripted, make_task, make_base):
    settings = SETTINGS.model_copy(update={"context_window": 8_000})
    result, _ = await machine(scripted, make_task, make_base, lambda request, at: "word " * 4_000, settings)
    assert result.ending is Ending.CONTEXT_LIMIT and result.calls == 1


async def test_a_long_output_is_cut(scripted, make_task, make_base):
    long = "<<<<< TEST\n#!/bin/sh\nseq 1 9999\nexit 2\n>>>>> END"
    _, model = await machine(scripted, make_task, make_base, [long, DONE])
    assert "characters left out here" in told(model) and len(told(model)) < 9_500


async def test_a_timeout_is_named(scripted, make_task, make_base):
    stuck = "<<<<< TEST\n#!/bin/sh\nexec sleep 3600\n>>>>> END"
    settings = SETTINGS.model_copy(update={"script_timeout": 0.5})
    result, model = await machine(scripted, make_task, make_base, [stuck, DONE, DONE], settings)
    assert "did not end within 0.5 seconds" in model.asked[1][1].messages[-1].content
    assert result.run.ended == "timeout"


async def test_thinking_blocks_are_carried_back(scripted, make_task, make_base):
    def answer(request, at):
        text = test_block(2) if len(request.messages) == 2 else DONE
        return Reply((Choice(Message("assistant", text, thinking='["deep"]')),))

    _, model = await machine(scripted, make_task, make_base, answer)
    assert model.asked[1][1].messages[2].thinking == '["deep"]'
