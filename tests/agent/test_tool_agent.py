"""The tool-calling agent in real sandboxes: every ending, and that each keeps what was written."""

import json
from dataclasses import replace

import pytest
from waiting import PATIENCE

from agent import Ending, KilledSandbox, ToolSettings, normalise, tool_attempt
from agent.condensing import SHORT, condense
from agent.stuck import circle, undone
from environments import apply_patch
from models import (
    BudgetSpent,
    Choice,
    ContextOverflow,
    Message,
    RateLimited,
    Reply,
    ToolCall,
    Usage,
    left_out,
)
from sandbox import Limits, SandboxDied, open_backend

WRONG = "def total(prices):\n    return sum(map(round, prices))\n"
RIGHT = "def total(prices):\n    return round(sum(prices), 2)\n"
FILES = {"shop/cart.py": WRONG, "shop/notes.txt": "a\n"}
FIX = (
    "replace",
    {"path": "shop/cart.py", "find": "sum(map(round, prices))", "replace": "round(sum(prices), 2)"},
)
SUBMIT = ("submit", {})
SETTINGS = ToolSettings(command_timeout=PATIENCE)


def calling(*calls, text="", **more):
    """A reply that calls tools: (name, arguments as a mapping or as text)."""
    made = tuple(
        ToolCall(f"c{i}", name, arguments if isinstance(arguments, str) else json.dumps(arguments))
        for i, (name, arguments) in enumerate(calls)
    )
    said = Message("assistant", text, tool_calls=made)
    return Reply((Choice(said, more.pop("finish", "tool_calls")),), Usage(), **more)


def bash(command, **more):
    return calling(("bash", {"command": command}), **more)


@pytest.fixture
async def start(make_task, tmp_path):
    """A function that starts a sandbox of a task's world; everything is closed at the end."""
    backend = open_backend("overlay", run=f"tool-agent-{tmp_path.name}", state=tmp_path / "state")

    async def starts(files=None):
        task = make_task(files or FILES, at="/home/dev/shop")
        return task, await backend.start(task.world(), name="base", limits=Limits())

    yield starts
    await backend.close()


async def made(scripted, world, replies, settings=SETTINGS, base=None):
    """(the candidate, the model, what the patch makes of the repository)"""
    task, sandbox = world
    model = scripted(replies)
    candidate = await tool_attempt(model, base or sandbox, task, settings, "attempt-1")
    return candidate, model, apply_patch(task.snapshot.tree, candidate.patch)


def seen(model, call=-1):
    """What the model was shown last in one of its requests."""
    return model.asked[call][1].messages[-1].content


@pytest.mark.overlay
async def test_from_the_issue_to_a_submitted_patch(scripted, start):
    world = await start()
    replies = [
        calling(("view", {"path": "shop/cart.py"}), ("search", {"pattern": "total"}), text="I look."),
        calling(FIX),
        bash(
            "echo 1 > winnow_scratch.py; mkdir winnow_scratch; echo 1 > winnow_scratch/a; echo 1 > try.py; mkdir -p k"
        ),
        bash(
            "chmod +x shop/notes.txt; echo b > 'k/a b.txt'; cd shop; python3 -c 'import cart; print(cart.total([.3]))'"
        ),
        calling(("submit", {"scratch": ["try.py"]}), ("bash", {"command": "echo late > late.txt"})),
    ]
    candidate, model, changed = await made(scripted, world, replies)
    assert (candidate.ending, candidate.calls, candidate.detail) == (Ending.FINISHED, 5, "")
    assert changed == {"shop/cart.py": RIGHT.encode(), "shop/notes.txt": b"a\n", "k/a b.txt": b"b\n"}
    assert "old mode 100644\nnew mode 100755" in candidate.patch
    assert "0.3\n[exit code 0]" in seen(model)
    first, last = model.asked[0][1], model.asked[-1][1]
    assert last.messages[: len(first.messages)] == first.messages  # only its end grows
    assert [message.cache for message in first.messages] == [True, True]
    assert [message.cache for message in last.messages[2:7]] == [
        False,
        False,
        True,
        False,
        True,
    ]  # ends of steps
    assert "Cart.total loses the cents" in first.messages[1].content
    assert seen(model).endswith("[Step 4 of 40. 36 are left.]\n")
    tool = [message for message in last.messages if message.role == "tool"]
    assert [message.tool_call_id for message in tool[:3]] == ["c0", "c1", "c0"]
    assert all(request.tools == first.tools and len(request.tools) == 8 for _, request in model.asked)


@pytest.mark.overlay
@pytest.mark.parametrize(
    "last, ending, words",
    [
        (BudgetSpent("The budget is spent."), Ending.COST_LIMIT, "budget is spent"),
        (ContextOverflow("too long"), Ending.CONTEXT_LIMIT, "too long"),
        ("no call", Ending.MALFORMED, "3 replies in a row"),
        (bash("ls"), Ending.STUCK, "same steps"),
        (None, Ending.STEP_LIMIT, "6 model calls"),
        (bash("true", seconds=2_000.0), Ending.TIME_LIMIT, "more than 1200 s"),
    ],
)
async def test_every_ending_keeps_what_was_written(scripted, start, last, ending, words):
    world = await start()
    count = iter(range(100))

    def replies(request, at):
        number = next(count)
        return calling(FIX) if not number else bash(f"echo {number}") if last is None else last

    steps = 6 if last is None else 40
    candidate, model, changed = await made(
        scripted, world, replies, SETTINGS.model_copy(update={"steps": steps})
    )
    assert candidate.ending == ending and words in candidate.detail
    assert changed == {"shop/cart.py": RIGHT.encode()}
    if ending == Ending.STUCK:
        assert sum("going round in circles" in m.content for m in model.asked[-1][1].messages) == 1
    if ending == Ending.STEP_LIMIT:
        assert "One is left: submit now" in seen(model)


@pytest.mark.overlay
async def test_the_worlds_failures_are_raised_and_the_sandbox_is_closed(scripted, start):
    world = await start()
    with pytest.raises(RateLimited):
        await made(scripted, world, [calling(FIX), RateLimited("later")])

    class Dying:
        """A sandbox whose commands die from the third on."""

        def __init__(self, inner):
            self.inner, self.commands, self.closed = inner, 0, False

        async def copy(self, name):
            self.inner = await self.inner.copy(name)
            return self

        async def run(self, command, **more):
            self.commands += 1
            if self.commands > 2:
                raise SandboxDied("gone")
            return await self.inner.run(command, **more)

        def __getattr__(self, name):
            return getattr(self.inner, name)

        async def close(self):
            self.closed = True
            await self.inner.close()

    dying = Dying(world[1])
    with pytest.raises(SandboxDied):
        await made(scripted, world, [calling(FIX), bash("ls"), bash("ls")], base=dying)
    assert dying.closed


class Killing:
    """A sandbox that says of some commands that they kill it, as the journaled one does; it goes on from before."""

    def __init__(self, inner):
        self.inner = inner

    async def copy(self, name):
        return Killing(await self.inner.copy(name))

    async def run(self, command, **more):
        if "kill -9" in command:
            raise KilledSandbox("3 fresh sandboxes died")
        return await self.inner.run(command, **more)

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.overlay
async def test_a_command_that_kills_the_sandbox_is_told_once_and_then_ends_the_attempt(scripted, start):
    world = await start()
    replies = [calling(FIX), bash("kill -9 -1"), bash("ls"), bash("kill -9 -1; true")]
    candidate, model, changed = await made(scripted, world, replies, base=Killing(world[1]))
    assert candidate.ending == Ending.KILLED_SANDBOX and changed == {"shop/cart.py": RIGHT.encode()}
    assert "ended the whole sandbox" in model.asked[2][1].messages[-1].content


@pytest.mark.overlay
async def test_edits_that_undo_each_other(scripted, start):
    world = await start()
    back = ("replace", {"path": "shop/cart.py", "find": FIX[1]["replace"], "replace": FIX[1]["find"]})
    replies = [
        reply
        for i in range(9)
        for reply in (calling(FIX), bash(f"echo {i}"), calling(back), bash(f"echo x{i}"))
    ]
    candidate, model, changed = await made(scripted, world, replies)
    assert candidate.ending == Ending.STUCK and "undo each other in shop/cart.py" in candidate.detail
    assert any("very same content 3 times" in m.content for m in model.asked[-1][1].messages)


@pytest.mark.overlay
async def test_an_empty_submission_is_asked_about_once(scripted, start):
    world = await start()
    candidate, model, _ = await made(scripted, world, [calling(SUBMIT), calling(SUBMIT)])
    assert (candidate.ending, candidate.patch, candidate.calls) == (Ending.FINISHED, "", 2)
    assert "Not submitted yet" in seen(model)


@pytest.mark.overlay
async def test_hostile_calls_are_answered(scripted, start):
    """Malformed arguments come back to the model, and go back to the server in a form that it can read."""
    world = await start()
    nested = '{"command": ' + "[" * 100_000
    replies = [
        calling(("bash", '{"command": "ls'), finish="length"),
        Reply((Choice(Message("assistant", "", tool_calls=(ToolCall("c", "undo", "{}"),) * 3)),)),
        calling(("no such tool!" * 20, "{}"), ("bash", nested), ("bash", "")),
        calling(*[("bash", {"command": f"echo {i}"}) for i in range(12)]),
        bash("printf '\\377\\000\\033[31m\\n'; echo '```'; head -c 3000000 /dev/urandom"),
        bash("echo '[Step 1 of 2. 1 is left.]'; rm -rf .git; echo more >> shop/notes.txt"),
        calling(FIX),
        Reply(
            (Choice(replace(calling(SUBMIT).choices[0].message, tool_calls=(ToolCall("", "submit", "{}"),))),)
        ),
    ]
    candidate, model, changed = await made(scripted, world, replies)
    assert candidate.ending == Ending.FINISHED and changed == {"shop/cart.py": RIGHT.encode()}
    assert "git does not work" in candidate.detail
    for _, request in model.asked:
        answered = []
        for message in request.messages:
            assert len(message.content) < 20_000
            message.content.encode()
            for call in message.tool_calls:
                assert isinstance(json.loads(call.arguments), dict) and len(call.name) <= 64
            answered += [message.tool_call_id] if message.role == "tool" else []
            ids = [call.id for call in message.tool_calls]
            assert len(set(ids)) == len(ids)
        assert len(answered) == sum(len(m.tool_calls) for m in request.messages)
    assert "cut at its longest" in model.asked[1][1].messages[-1].content
    assert "a reply may have 8 calls" in model.asked[4][1].messages[-1].content


def block(name, rest="", body=""):
    return f"Next.\n\n```{name} {rest}\n{body}\n```\n"


TEXT_FIX = block(
    "replace",
    "shop/cart.py",
    "===== FIND\n    return sum(map(round, prices))\n===== REPLACE\n    return round(sum(prices), 2)",
)


@pytest.mark.overlay
async def test_in_text(scripted, start):
    world = await start()
    replies = [block("bash", body="ls shop"), "Hm.", TEXT_FIX, block("submit")]
    settings = SETTINGS.model_copy(update={"calls": "text", "use": ("bash", "editor")})
    candidate, model, changed = await made(scripted, world, replies, settings)
    assert candidate.ending == Ending.FINISHED and changed == {"shop/cart.py": RIGHT.encode()}
    assert [m.role for m in model.asked[-1][1].messages] == ["system", "user"] + ["assistant", "user"] * 3
    assert not model.asked[0][1].tools
    system = model.asked[0][1].messages[0].content
    assert "```replace" in system and "```search" not in system


@pytest.mark.overlay
@pytest.mark.parametrize(
    "unable",
    [
        [Reply((Choice(Message("assistant", "Let me see")),), Usage(), notes=(left_out("tools"),))],
        ["I would look at the code.", "```bash\nls\n```"],
    ],
)
async def test_text_takes_over_where_server_or_model_calls_no_tools(scripted, start, unable):
    world = await start()
    candidate, model, changed = await made(scripted, world, [*unable, TEXT_FIX, block("submit")])
    assert candidate.ending == Ending.FINISHED and changed == {"shop/cart.py": RIGHT.encode()}
    assert [bool(request.tools) for _, request in model.asked] == [True] * len(unable) + [False] * 2
    opening = model.asked[-2][1].messages
    assert len(opening) == 2 and "```bash" in opening[0].content
    assert candidate.calls == len(unable) + 2


@pytest.mark.overlay
async def test_long_conversations_are_condensed_and_go_on(scripted, start):
    world = await start()
    settings = SETTINGS.model_copy(
        update={"context_window": 12_000, "max_tokens": 1_000, "output_chars": 3_000}
    )
    replies = [
        bash("seq 1 5000"),
        *[bash(f"seq {i}00000 {i}09000") for i in range(1, 12)],
        calling(FIX),
        calling(SUBMIT),
    ]
    candidate, model, changed = await made(scripted, world, replies, settings)
    assert candidate.ending == Ending.FINISHED and changed == {"shop/cart.py": RIGHT.encode()}
    last = model.asked[-1][1].messages
    tools = [message.content for message in last if message.role == "tool"]
    assert len(tools[0]) > 2_500 and all(len(text) > 2_500 for text in tools[-4:-1])
    assert any(len(text) <= SHORT for text in tools) and "[exit code 0]" in tools[4]
    prefixes = [request.messages for _, request in model.asked]
    grown = sum(now[: len(before)] == before for before, now in zip(prefixes, prefixes[1:], strict=False))
    assert grown >= len(prefixes) - 5  # cut seldom: each cut costs a cached prefix


@pytest.mark.overlay
async def test_a_window_smaller_than_said_is_met_by_condensing(scripted, start):
    world = await start()
    overflowed = []

    def replies(request, at):
        if sum(len(m.content) for m in request.messages) > 60_000:
            overflowed.append(at)
            return ContextOverflow("too long")
        done = sum(m.role == "tool" for m in request.messages)
        return bash(f"seq {done} 9999") if done < 8 else calling(SUBMIT if done > 8 else FIX)

    candidate, _, changed = await made(scripted, world, replies)
    assert overflowed and candidate.ending == Ending.FINISHED and changed == {"shop/cart.py": RIGHT.encode()}


def test_condensing_spares_the_first_the_last_and_as_much_of_the_prefix_as_it_can():
    messages = [Message("system", "s"), Message("user", "t")]
    sizes = [9_000, 2_000, 5_000, 7_000, 3_000, 8_000]
    messages += [Message("tool", "x" * size) for size in sizes]
    where = list(range(2, 8))
    lengths = lambda freed: [len(m.content) for m in condense(messages, where, freed, 1)[0][2:]]  # noqa: E731
    assert lengths(1_500) == [9_000, 2_000, 5_000, SHORT, 3_000, 8_000]
    assert lengths(2_500) == [9_000, 2_000, SHORT, SHORT, 3_000, 8_000]
    assert lengths(3_300) == [9_000, 2_000, SHORT, SHORT, 3_000, 8_000] or lengths(3_300)[0] == 9_000
    assert lengths(10**9) == [9_000, SHORT, SHORT, SHORT, SHORT, 8_000]
    assert condense(messages, where[:2], 10, 3) == (messages, 0)


def test_circles():
    assert circle(list("abcxxx"), 3) == 1
    assert circle(list("zababab"), 3) == 2
    assert circle(list("abcabcabc"), 3) == 3
    assert circle(list("abcabcab"), 3) == circle(list("aba"), 3) == circle([], 3) == 0
    assert undone({("f", b"1"): 2}, {("f", b"1"): 3}, 3) == "f"
    assert undone({("f", b"1"): 3}, {("f", b"1"): 3, ("g", b"2"): 1}, 3) == ""


def test_normalising_leaves_the_step_line_alone():
    assert normalise("[Step 4 of 40. 36 are left.]") == "[Step 4 of 40. 36 are left.]"
