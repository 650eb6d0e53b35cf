"""The selection machine: real sandboxes, a model with set replies."""

from __future__ import annotations

import pytest
from waiting import PATIENCE

from agent import Candidate
from models import BudgetSpent, ContextOverflow, Refused, Unreachable
from selection import MachineChoice, SelectionSettings, Test, check_applies, judge_once, select
from selection.material import labelled

pytestmark = [pytest.mark.overlay, pytest.mark.asyncio(loop_scope="session")]

SETTINGS = SelectionSettings(calls=4, script_timeout=PATIENCE)
SAME = "<<<<< TEST\n#!/bin/sh\nsh total.sh 1 2\nexit 0\n>>>>> END"
APART = (
    '<<<<< TEST\n#!/bin/sh\nseen=$(sh total.sh 4 5); echo "saw $seen"\n[ "$seen" = 9 ] || exit 2\n>>>>> END'
)


def winner(label: str, reason: str = "Candidate A and Candidate B differ.") -> str:
    return f"So it is.\n<<<<< WINNER\n{label}\n{reason}\n>>>>> END"


@pytest.fixture
def pair(candidate, totals):
    """A right candidate and a wrong one; label_of tells under which label each is shown."""
    found = [
        candidate("attempt-1", {"total.sh": totals.RIGHT}),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE, "new.sh": "echo new\n"}),
    ]
    return found


def label_of(candidates: list[Candidate], name: str) -> str:
    return next(label for label, candidate in labelled(candidates).items() if candidate.id == name)


@pytest.fixture
def choose(task, base, replies):
    async def run(said, candidates, settings=SETTINGS, example=None):
        told = replies(said)
        changed = check_applies(task, candidates)
        return await select(told.model, base, task, candidates, changed, example, settings), told

    return run


async def test_it_rewrites_its_test_and_names_the_winner(choose, pair, base):
    right, wrong = label_of(pair, "attempt-1"), label_of(pair, "attempt-2")
    reason = f"Candidate {wrong} says 3 for 4 and 5."
    choice, told = await choose([SAME, APART, winner(right, reason)], pair)
    shown = tuple(candidate.id for candidate in labelled(pair).values())
    assert choice == MachineChoice("attempt-1", "attempt-2 says 3 for 4 and 5.", shown)
    assert [at for at, _ in told.asked] == ["selection"] * 3
    first = told.asked[0][1]
    assert (first.temperature, first.max_tokens) == (0.0, 8192)
    assert "All candidates behave the same here" in told.last(1)
    assert "You have 3 replies left" in told.last(1)
    after = told.last(2)
    assert "All candidates behave the same" not in after
    assert f"# Candidate {right}\n\nExit code: 0" in after and "saw 9" in after
    assert f"# Candidate {wrong}\n\nExit code: 2" in after and "saw 3" in after
    assert "# The original code\n\nExit code: 2" in after and "saw -1" in after
    assert sorted(base.book["copies"]) == sorted(
        f"selection/{name}" for name in ("attempt-1", "attempt-2", "attempt-1/test-1", "attempt-1/test-2",
        "attempt-2/test-1", "attempt-2/test-2", "unfixed/test-1", "unfixed/test-2")
    )  # fmt: skip


async def test_what_it_is_shown(choose, pair, task, totals):
    example = Test("test-1", totals.total_is(1, 2, 3))
    _, told = await choose([SAME, winner("none")], pair, example=example)
    system = told.asked[0][1].messages[0].content
    assert task.issue in system
    assert totals.BUGGY in system and "## new.sh\n\n(It does not exist there.)" in system
    assert all(candidate.patch in system for candidate in pair)
    assert example.script.text in system
    assert "attempt-" not in system and "README" not in system
    assert "Write the first test. You have 4 replies" in told.last(0)


async def test_the_order_of_candidates_tells_nothing(choose, pair, base):
    _, forward = await choose([SAME, winner("none")], pair)
    renamed = [Candidate("attempt-9", pair[1].patch), Candidate("attempt-10", pair[0].patch)]
    base.book["copies"].clear()
    choice, backward = await choose([SAME, winner("A")], renamed)
    assert forward.asked[0][1].messages == backward.asked[0][1].messages
    assert choice.winner == labelled(renamed)["A"].id


async def test_a_tie_is_no_winner_in_the_models_words(choose, pair):
    choice, _ = await choose([SAME, winner("none", "Candidate A and Candidate B are equally right.")], pair)
    shown = labelled(pair)
    assert choice.winner is None
    assert choice.reason == f"{shown['A'].id} and {shown['B'].id} are equally right."


async def test_an_unknown_winner_is_told_once(choose, pair):
    choice, told = await choose([SAME, winner("C"), winner("A")], pair)
    assert choice.winner == labelled(pair)["A"].id
    assert (
        "`C` names no candidate: the first line of the WINNER block is one of A, B, or none." in told.last()
    )


async def test_an_unknown_winner_twice_is_no_selection(choose, pair):
    choice, told = await choose([SAME, winner("C"), winner("attempt-1"), winner("A")], pair)
    assert choice.winner is None and "`attempt-1` names no candidate" in choice.reason
    assert len(told.asked) == 3


async def test_an_unknown_winner_in_the_last_call_is_no_selection(choose, pair):
    choice, told = await choose([SAME, SAME, SAME, winner("C")], pair)
    assert choice.winner is None and "`C` names no candidate" in choice.reason
    assert len(told.asked) == 4


async def test_a_malformed_reply_goes_back_and_counts(choose, pair):
    choice, told = await choose([winner("A"), "no block", SAME, winner("A")], pair)
    assert choice.winner == labelled(pair)["A"].id
    assert "No test has been run yet" in told.last(1) and "There is no block" in told.last(2)
    assert "You have 3 replies left" in told.last(1) and "You have 2 replies left" in told.last(2)


async def test_a_winner_without_a_test_is_taken_the_second_time(choose, pair, base):
    choice, told = await choose([winner("A"), winner("A")], pair)
    assert choice.winner == labelled(pair)["A"].id and len(told.asked) == 2
    assert base.book["copies"] == []


async def test_no_call_left_is_no_selection(choose, pair, base):
    choice, told = await choose([SAME, SAME, SAME, SAME, SAME], pair)
    assert choice.winner is None and "No test can be run any more" in choice.reason
    assert len(told.asked) == 4
    assert "You have one reply left. Name the winner" in told.last()
    assert not [name for name in base.book["copies"] if name.endswith("test-4")]


async def test_one_call_can_only_name_a_winner(choose, pair, base):
    choice, told = await choose([winner("B")], pair, SelectionSettings(calls=1))
    assert choice.winner == labelled(pair)["B"].id
    assert "no test can be run" in told.last() and base.book["copies"] == []


async def test_nothing_to_compare_asks_nobody(choose, pair, task, replies):
    assert (await choose([], pair[:1]))[0] == MachineChoice(
        None, "there was nothing to compare", ("attempt-1",)
    )
    assert (await choose([], []))[0] == MachineChoice(None, "there was nothing to compare", ())
    nobody = replies([])
    assert (await judge_once(nobody.model, task, pair[:1], {}, SETTINGS)).winner is None
    assert nobody.asked == []


@pytest.mark.parametrize("error", [ContextOverflow("too long"), BudgetSpent("1 USD is spent")])
async def test_an_end_of_window_or_budget_is_no_selection(choose, pair, error):
    choice, _ = await choose([SAME, error], pair)
    assert choice.winner is None and choice.reason == str(error)


@pytest.mark.parametrize("error", [Unreachable("no answer"), Refused("wrong key")])
async def test_faults_of_the_world_and_the_user_are_raised(choose, pair, error):
    with pytest.raises(type(error)):
        await choose([SAME, error], pair)


async def test_a_small_window_is_noticed_before_the_call(choose, pair):
    choice, told = await choose([SAME], pair, SelectionSettings(context_window=5000))
    assert choice.winner is None and "do not fit a window of 5000" in choice.reason
    assert told.asked == []


async def test_long_files_and_diffs_are_cut(task, candidate, totals, replies):
    long = candidate("a", {"total.sh": "echo 3\n" * 4000})
    short = candidate("b", {"total.sh": totals.RIGHT})
    told = replies([winner("B")])
    settings = SelectionSettings(files_chars=10, diff_chars=2000)
    await judge_once(told.model, task, [long, short], check_applies(task, [long, short]), settings)
    system = told.asked[0][1].messages[0].content
    assert "(It has 37 characters, too many to be shown; see the patches.)" in system
    assert "characters left out here" in system and len(system) < 8000


async def test_judging_once(task, pair, replies):
    told = replies([winner("b", "Candidate B it is.")])
    choice = await judge_once(told.model, task, pair, check_applies(task, pair), SETTINGS)
    assert choice.winner == labelled(pair)["B"].id and choice.reason == f"{choice.winner} it is."
    assert [at for at, _ in told.asked] == ["judge"]
    for bad in (APART, winner("C"), ContextOverflow("too long")):
        told = replies([bad])
        choice = await judge_once(told.model, task, pair, check_applies(task, pair), SETTINGS)
        assert choice.winner is None and choice.reason and choice.shown
