"""Further tests where the leaders are tied: until decided, or out of calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE

from agent import Candidate, ReplyError, Run, Script
from models import BudgetSpent, Unreachable
from selection import (
    UNFIXED,
    Evidence,
    PatchFacts,
    Regression,
    SelectionSettings,
    Test,
    check_applies,
    codemonkeys,
)
from selection.distinguishing import _read, ask_for_tests, tied_leaders
from selection.material import labelled

in_session = pytest.mark.asyncio(loop_scope="session")
SETTINGS = SelectionSettings(extra_tests=4, script_timeout=PATIENCE)


def reply(a: int, b: int, right: int) -> str:
    return (
        f'<<<<< TEST\n#!/bin/sh\nseen=$(sh total.sh {a} {b}); echo "saw $seen"\n[ "$seen" = {right} ] || exit 2\n'
        ">>>>> END"
    )


@pytest.fixture
def tied(candidate, totals, task):
    """Two candidates, one of them wrong, with one test that both pass; and one that passes none."""
    test = Test("test-1", totals.total_is(1, 2, 3))
    pool = (
        candidate("attempt-1", {"total.sh": totals.RIGHT}),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE}),
        candidate("attempt-3", {"README": "other words\n"}),
    )
    solved, present = Run(0, "saw 3\n"), Run(2, "saw -1\n")
    return Evidence(
        candidates=pool,
        tests=(test,),
        applies={c.id: True for c in pool},
        cells={
            (UNFIXED, "test-1"): present,
            ("attempt-1", "test-1"): solved,
            ("attempt-2", "test-1"): solved,
            ("attempt-3", "test-1"): present,
        },
        regressions={c.id: Regression(known=1, passed=1) for c in pool},
    )


@pytest.fixture
def ask(task, base, replies):
    async def run(said, evidence, settings=SETTINGS, **options):
        base.book["copies"].clear()
        told = replies(said)
        changed = check_applies(task, evidence.candidates)
        slots = asyncio.Semaphore(2)
        found, why = await ask_for_tests(
            told.model, base, task, evidence, changed, settings, slots, **options
        )
        return found, why, told

    return run


def test_who_is_tied(tied):
    assert tied_leaders(tied) == ("attempt-1", "attempt-2")
    twins = replace(tied, facts={name: PatchFacts(normal="n") for name in ("attempt-1", "attempt-2")})
    assert tied_leaders(twins) == ("attempt-1",)
    broken = {**tied.regressions, "attempt-2": Regression(("t",), known=1)}
    assert tied_leaders(replace(tied, regressions=broken)) == ("attempt-1",)
    assert tied_leaders(Evidence(())) == tied_leaders(Evidence((Candidate("a", "+x"),))) == ()


def test_where_all_break_one_test_those_that_break_no_other_are_tied(tied):
    """An issue may ask for that: then it says nothing between them."""
    broken = {name: Regression(("t",), known=9) for name in tied.applies}
    assert tied_leaders(replace(tied, regressions=broken)) == ("attempt-1", "attempt-2")
    broken["attempt-2"] = Regression(("t", "u"), known=9)
    assert tied_leaders(replace(tied, regressions=broken)) == ("attempt-1",)


@pytest.mark.overlay
@in_session
async def test_a_test_that_tells_them_apart_decides_and_is_a_test_like_any_other(ask, tied, base):
    assert codemonkeys(tied).order[0].candidate == "attempt-2"  # which is wrong, and shorter
    found, why, told = await ask([reply(2, 1, 3), reply(40, 2, 42)], tied)
    assert why == "" and len(told.asked) == 2
    assert [(t.id, t.origin) for t in found.tests[1:]] == [
        ("extra-1", "distinguishing"),
        ("extra-2", "distinguishing"),
    ]
    assert {key: run.exit_code for key, run in found.cells.items() if key[1] == "extra-2"} == {
        (UNFIXED, "extra-2"): 2,
        ("attempt-1", "extra-2"): 0,
        ("attempt-2", "extra-2"): 2,
        ("attempt-3", "extra-2"): 2,
    }
    assert codemonkeys(found).chosen == "attempt-1"
    assert [at for at, _ in told.asked] == ["distinguishing/1"] * 2
    opening = told.asked[0][1].messages[0].content
    shown = labelled(tied.candidates[:2])
    assert all(f"# Candidate {label}" in opening for label in shown) and "other words" not in opening
    assert "# Candidates A and B\n\nExit code: 0" in told.last(1)
    assert "The candidates still stand level" in told.last(1) and "You have 3 replies left" in told.last(1)
    assert all(name.startswith("distinguishing/extra-") for name in base.book["copies"])


@pytest.mark.overlay
@in_session
async def test_nobody_is_asked_where_it_is_decided(ask, tied):
    decided = replace(tied, cells={**tied.cells, ("attempt-2", "test-1"): Run(2, "")})
    found, why, told = await ask([], decided)
    assert found == decided and (why, told.asked) == ("", [])


@pytest.mark.overlay
@in_session
async def test_the_end_of_calls_and_no_difference_are_said(ask, tied):
    found, why, told = await ask(["no block", "<<<<< NO DIFFERENCE"], tied)
    assert why == "the model sees no behaviour that tells attempt-1 and attempt-2 apart"
    assert found == replace(tied, alike=(("attempt-1", "attempt-2"),))
    assert "There is no block" in told.last(1)
    found, why, told = await ask([reply(2, 1, 3)] * 4, tied)
    assert why == "attempt-1, attempt-2 are still tied after 4 calls for further tests"
    assert len(told.asked) == 4 and len(found.tests) == 2  # the same script is one test


@pytest.mark.overlay
@in_session
async def test_a_test_that_does_not_count_is_kept_and_said(ask, tied):
    harmless = "<<<<< TEST\n#!/bin/sh\nexit 0\n>>>>> END"
    found, _, told = await ask([harmless, "<<<<< NO DIFFERENCE"], tied)
    assert "does not exit with 2 on the original code, so it does not count" in told.last(1)
    assert [test.id for test in found.tests] == ["test-1", "extra-1"]
    assert codemonkeys(found).order == codemonkeys(tied).order


@pytest.mark.overlay
@in_session
async def test_others_who_lead_then_are_another_conversation(ask, tied, candidate):
    """Three lead; a test leaves two of them, who are then asked about alone."""
    off_by = candidate("attempt-4", {"total.sh": "[ $1 -gt 30 ] && echo 0 || echo $(($1 + $2))\n"})
    three = replace(
        tied,
        candidates=(*tied.candidates, off_by),
        applies={**tied.applies, "attempt-4": True},
        cells={**tied.cells, ("attempt-4", "test-1"): Run(0, "saw 3\n")},
        regressions={**tied.regressions, "attempt-4": Regression(known=1, passed=1)},
    )
    found, why, told = await ask([reply(4, 5, 9), reply(40, 2, 42)], three)
    assert why == "" and tied_leaders(found) == ("attempt-1",)
    assert [at for at, _ in told.asked] == ["distinguishing/1", "distinguishing/2"]
    assert "You have 3 replies" in told.last(1)


@pytest.mark.overlay
@in_session
async def test_those_that_behave_alike_make_room_for_leaders_that_were_not_shown(
    ask, tied, candidate, totals
):
    """Five lead and three are shown: that those are alike says nothing of the other two."""
    said = {
        "attempt-1": totals.RIGHT,
        "attempt-2": totals.RIGHT + "# a note\n",
        "attempt-3": totals.RIGHT.replace("$1 + $2", "$2 + $1"),
        "attempt-4": totals.ALWAYS_THREE,
        "attempt-5": totals.RIGHT + "# the end\n",
    }
    pool = tuple(candidate(name, {"total.sh": text}) for name, text in said.items())
    five = replace(
        tied,
        candidates=pool,
        applies={c.id: True for c in pool},
        cells={
            (UNFIXED, "test-1"): Run(2, "saw -1\n"),
            **{(c.id, "test-1"): Run(0, "saw 3\n") for c in pool},
        },
        regressions={c.id: Regression(known=1, passed=1) for c in pool},
    )
    found, why, told = await ask(["<<<<< NO DIFFERENCE", reply(40, 2, 42), "<<<<< NO DIFFERENCE"], five)
    openings = [request.messages[0].content for _, request in told.asked]
    assert "echo 3" not in openings[0] and "a note" in openings[0]
    assert "echo 3" in openings[1] and "the end" in openings[1] and "a note" not in openings[1]
    # attempt-4 is out; of the four that are left, three are known to be alike, and one was not compared with them
    assert tied_leaders(found) == ("attempt-1", "attempt-2", "attempt-3", "attempt-5")
    assert "the end" in openings[2] and "a note" not in openings[2] and "echo 3" not in openings[2]
    assert why == "the model sees no behaviour that tells attempt-1, attempt-2, attempt-3 and attempt-5 apart"
    assert [at for at, _ in told.asked] == ["distinguishing/1", "distinguishing/2", "distinguishing/3"]
    again, same, nobody = await ask([], found)
    assert (again, same, nobody.asked) == (found, why, [])


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["<<<<< TEST", "<<<<< NO DIFFERENCE", ">>>>> END", "#!/bin/sh", "exit 2", "", "\\", "```"]
        )
    ).map("\n".join)
)
def test_any_reply_is_a_script_no_difference_or_refused(said):
    try:
        script = _read(said)
    except ReplyError as error:
        assert str(error)
    else:
        assert script is None or (isinstance(script, Script) and script.text.strip())


@pytest.mark.overlay
@in_session
async def test_budgets_end_it_and_the_world_is_raised(ask, tied):
    found, why, _ = await ask([BudgetSpent("1 USD is spent")], tied)
    assert (found, why) == (tied, "1 USD is spent")
    with pytest.raises(Unreachable):
        await ask([Unreachable("no answer")], tied)


@pytest.mark.overlay
@in_session
async def test_any_rule_may_say_who_leads(ask, tied):
    found, why, told = await ask(["<<<<< NO DIFFERENCE"], tied, leaders=lambda _: ("attempt-1", "attempt-3"))
    assert "attempt-1 and attempt-3" in why and "other words" in told.asked[0][1].messages[0].content
