"""The editing machine and whole attempts: exactly one of three, always relative to the original, nothing is lost."""

from pathlib import Path

import pytest
from waiting import PATIENCE

import agent
from agent import AttemptSettings, Context, ContextFile, Ending, attempt, write_edit
from agent.endings import KilledSandbox
from environments import apply_patch
from models import BudgetSpent, ContextOverflow, ServerFault

SETTINGS = AttemptSettings(script_timeout=PATIENCE)
HEAD = "class Cart:\n    def __init__(self, prices):\n        self.prices = prices\n\n    def total(self):\n"
OLD = "        return sum(round(price) for price in self.prices)"
TEST = """<<<<< TEST
#!/usr/bin/env python3
import sys
from shop.cart import Cart

total = Cart([0.4, 0.4]).total()
print(f"saw {total}")
sys.exit(0 if total == 0.8 else 2)
>>>>> END
"""
DONE = "<<<<< DONE"


def edit(new, old=OLD, path="shop/cart.py"):
    return f"So:\n<<<<< EDIT {path}\n===== FIND\n{old}\n===== REPLACE\n{new}\n>>>>> END\n"


WRONG = edit("        return sum(round(price, 0) for price in self.prices)")
RIGHT = edit("        return sum(self.prices)")


@pytest.fixture
def solve(scripted, make_task, make_base):
    """Run a whole attempt; the testing machine approves TEST unless other replies are given."""

    async def run(editing, testing=(TEST, DONE), settings=SETTINGS, deaths=None, files=None):
        task = make_task(files)
        paths = [path for path in task.snapshot.files() if task.snapshot.read(path) is not None]
        context = Context(tuple(ContextFile(path, task.snapshot.read(path)) for path in paths))
        model = scripted({"testing": testing, "editing": editing})
        base = make_base(task, deaths)
        return await attempt(model, base, task, context, settings, "attempt-1"), model, task

    return run


def told(model):
    return [request.messages[-1].content for request in model.at("editing")]


async def test_from_issue_to_patch_and_test(solve):
    candidate, model, task = await solve([RIGHT, "Solved.\n" + DONE])
    assert candidate.id == "attempt-1" and candidate.ending is Ending.FINISHED and candidate.calls == 4
    changed = apply_patch(task.snapshot.tree, candidate.patch)
    assert changed["shop/cart.py"].decode().endswith("return sum(self.prices)\n")
    assert candidate.test.interpreter == "python3" and candidate.test_before.exit_code == 2
    shown = told(model)[1]
    for word in [
        "-        return sum(round",
        "+        return sum(self.prices)",
        "On the original code the test ran as it was shown before.",
        "Exit code: 0",
        "saw 0.8",
    ]:
        assert word in shown
    assert "saw 0\n" in told(model)[0]


async def test_the_files_are_shared_between_attempts_byte_for_byte(solve, scripted, make_base):
    _, model, task = await solve([RIGHT, DONE])
    context = Context((ContextFile("shop/cart.py", task.snapshot.read("shop/cart.py"), "why"),))
    systems = set()
    for settings in (SETTINGS, SETTINGS.model_copy(update={"temperature": 1.0})):
        nothing = agent.Tested(None, None, False, Ending.MALFORMED, "", 0, ())
        other = scripted([DONE] * 8)
        await write_edit(other, None, task, context, settings, nothing)
        systems.add(other.asked[0][1].messages[0])
    assert len(systems) == 1 and systems.pop().cache
    asked = [request.messages for request in model.at("editing")]
    assert asked[1][: len(asked[0])] == asked[0]


async def test_every_edit_is_relative_to_the_original(solve):
    candidate, model, task = await solve([WRONG, RIGHT, DONE])
    assert list(apply_patch(task.snapshot.tree, candidate.patch)) == ["shop/cart.py"]
    assert "does not say that the edited code solves" in told(model)[1] and "once more" in told(model)[2]
    assert "round(price, 0)" not in candidate.patch


async def test_a_new_test_is_run_on_both_and_kept(solve):
    new = TEST.replace("[0.4, 0.4]", "[0.2, 0.2, 0.4]").replace("saw", "now")
    candidate, model, _ = await solve([WRONG, new, RIGHT, DONE])
    assert "0.2, 0.2" in candidate.test.text and candidate.test_before.output == "now 0\n"
    assert "The new test ran" in told(model)[2] and told(model)[2].count("now 0") == 2
    assert "now 0.8" in told(model)[3]


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (RIGHT + DONE, "EDIT, DONE"),
        (RIGHT + TEST, "EDIT, TEST"),
        (TEST + TEST, "TEST, TEST"),
        ("I think that is all.", "no block"),
        (DONE, "No edit has been applied yet"),
        (edit("x", "nowhere"), "not in shop/cart.py"),
        (edit("x", path="../x.py"), "leads out"),
        (edit("x", path="shop/basket.py"), "no file shop/basket.py"),
        ("<<<<< CREATE winnow_issue_check.py\nx\n>>>>> END", "in its place"),
        (RIGHT[:-15], "ends in the middle"),
        (edit(OLD), "changes nothing"),
    ],
)
async def test_what_cannot_be_used_goes_back_with_its_reason(solve, reply, word):
    candidate, model, _ = await solve([reply, RIGHT, DONE])
    assert (
        word in told(model)[1]
        and "could not be used" in told(model)[1]
        and "7 replies left" in told(model)[1]
    )
    assert candidate.ending is Ending.FINISHED and candidate.patch


async def test_a_new_test_before_any_edit_asks_for_the_edit(solve):
    _, model, _ = await solve([TEST, RIGHT, DONE])
    assert "No edit has been applied yet" in told(model)[1] and "DONE" not in told(model)[1]


async def test_a_malformed_reply_leaves_the_edit_before_it(solve):
    candidate, _, _ = await solve([RIGHT, edit("x", "nowhere"), DONE])
    assert "return sum(self.prices)" in candidate.patch


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        (ContextOverflow("too long"), Ending.CONTEXT_LIMIT),
        (BudgetSpent("spent"), Ending.COST_LIMIT),
        (KilledSandbox("gone"), Ending.KILLED_SANDBOX),
    ],
)
async def test_every_ending_keeps_the_last_edit(solve, last, ending):
    deaths = {"editing-2": last} if isinstance(last, KilledSandbox) else None
    candidate, _, _ = await solve([WRONG, RIGHT if deaths else last], deaths=deaths)
    assert candidate.ending is ending and candidate.patch and candidate.test and candidate.detail


async def test_when_the_calls_are_used_up_the_last_edit_is_kept(solve):
    candidate, _, _ = await solve([WRONG] * 7 + [RIGHT])
    assert candidate.ending is Ending.STEP_LIMIT and "return sum(self.prices)" in candidate.patch
    assert candidate.calls == 10


async def test_nothing_but_malformed_replies(solve):
    candidate, _, _ = await solve(["?"] * 8, testing=["?"] * 8)
    assert (candidate.patch, candidate.test, candidate.ending) == ("", None, Ending.MALFORMED)
    assert candidate.calls == 16


async def test_an_attempt_without_a_test_can_still_edit_and_write_one(solve):
    candidate, model, _ = await solve([RIGHT, TEST, DONE], testing=["?"] * 8)
    assert "There is no test yet" in told(model)[0] and "nothing was run" in told(model)[1]
    assert candidate.patch and candidate.test_before.exit_code == 2 and candidate.ending is Ending.FINISHED


async def test_a_spent_budget_ends_the_attempt_before_the_edits(solve):
    candidate, model, _ = await solve([], testing=[TEST, BudgetSpent("spent")])
    assert candidate.ending is Ending.COST_LIMIT and candidate.test and not model.at("editing")


async def test_the_worlds_faults_go_up(solve):
    with pytest.raises(ServerFault):
        await solve([WRONG, ServerFault("502")])


async def test_an_unapproved_test_is_told_in_the_detail(solve):
    candidate, _, _ = await solve([RIGHT, DONE], testing=[TEST] * 8)
    assert candidate.ending is Ending.FINISHED and "test not approved" in candidate.detail


async def test_created_deleted_and_executable_files_are_run_and_in_the_patch(solve):
    files = {
        "shop/__init__.py": "",
        "shop/cart.py": HEAD + OLD + "\n",
        "old.py": "x\n",
    }
    files["bin/tool"] = "#!/bin/sh\nexit 1\n"
    test = "<<<<< TEST\n#!/bin/sh\nls old.py; cat shop/new.txt; bin/tool || exit 2\n>>>>> END"
    reply = "<<<<< CREATE shop/new.txt\nnew!\n>>>>> END\n<<<<< DELETE old.py\n"
    reply += edit("exit 0", "exit 1", "bin/tool")
    candidate, model, task = await solve([reply, DONE], testing=(test, DONE), files=files)
    assert "Exit code: 0" in told(model)[1] and "new!" in told(model)[1]
    changed = apply_patch(task.snapshot.tree, candidate.patch)
    assert changed == {"shop/new.txt": b"new!\n", "old.py": None, "bin/tool": b"#!/bin/sh\nexit 0\n"}
    assert "old mode" not in candidate.patch


async def test_windows_line_ends_and_marks_survive_to_the_patch(solve):
    text = "\ufeff" + HEAD.replace("\n", "\r\n") + OLD
    files = {"shop/__init__.py": "", "shop/cart.py": text}
    candidate, model, task = await solve([RIGHT, DONE], files=files)
    changed = apply_patch(task.snapshot.tree, candidate.patch)
    assert changed == {"shop/cart.py": text.replace(OLD, "        return sum(self.prices)").encode()}
    system = model.at("editing")[0].messages[0].content
    assert "\r" not in system and "\ufeff" not in system


async def test_a_link_cannot_be_edited_or_written_through(solve):
    files = {
        "shop/__init__.py": "",
        "shop/cart.py": HEAD + OLD + "\n",
        "link": Path("shop"),
    }
    create = "<<<<< CREATE {}\nx\n>>>>> END"
    replies = [
        create.format("link/x.txt"),
        create.format("link"),
        edit("x", "y", "link"),
        edit("x", OLD, "link/cart.py"),
    ]
    candidate, model, _ = await solve([*replies, RIGHT, DONE], files=files)
    assert all("link" in reason and "could not be used" in reason for reason in told(model)[1:5])
    assert candidate.patch
