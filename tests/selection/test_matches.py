"""Summaries and the tournament that is played with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import Candidate, ReplyError
from environments import Recipe, Snapshot, Task
from models import BudgetSpent, DeterministicModel, Unreachable
from selection import Evidence, Match, SelectionSettings, Summary
from selection.matches import play_tournament
from selection.summaries import read_summary, summarise
from selection.trajectory import Trajectory, Turn

TASK = Task("t", "total.sh 1 2 prints -1.", Snapshot(None, "/w", "", "", ""), Recipe())
SETTINGS = SelectionSettings()


def summary(*parts: str) -> str:
    names = ("HYPOTHESIS", "PROGRESS", "FAILURES", "PATCH")
    body = [line for name, text in zip(names, parts, strict=False) for line in (f"===== {name}", text)]
    return "\n".join(["Here it is.", "<<<<< SUMMARY", *body, ">>>>> END"])


def test_a_summary_has_four_parts():
    assert read_summary(summary("a", "b\nc", " d ", "e")) == Summary("a", "b\nc", "d", "e")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (summary("a", "b", "c"), "has nothing in PATCH"),
        (summary("a", " ", "c", "d"), "has nothing in PROGRESS"),
        ("It is right.", "There is no block"),
        (summary("a", "b", "c", "d") * 2, "SUMMARY"),
    ],
)
def test_what_is_no_summary_says_why(reply, reason):
    with pytest.raises(ReplyError, match=reason):
        read_summary(reply)


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "<<<<< SUMMARY",
                ">>>>> END",
                "===== HYPOTHESIS",
                "===== PROGRESS",
                "===== FAILURES",
                "===== PATCH",
                "x",
                "",
            ]
        ),
        max_size=12,
    ).map("\n".join)
)
def test_any_text_is_a_summary_or_refused(reply):
    try:
        found = read_summary(reply)
    except ReplyError as error:
        assert str(error)
    else:
        assert all((found.hypothesis, found.progress, found.failures, found.patch))


async def test_each_attempt_is_summed_up_from_its_own_trajectory(replies):
    pool = [Candidate("a", "+x"), Candidate("b", "+y")]
    told = replies(["nothing", summary(*"abcd"), summary(*"efgh")])
    seen = {"b": Trajectory((Turn("said", "I looked."), Turn("seen", "a file")))}
    found, why = await summarise(told.model, TASK, pool[:1], {}, SETTINGS, seen)
    more, _ = await summarise(told.model, TASK, pool[1:], {}, SETTINGS, seen)
    assert (found, why) == ({"a": Summary(*"abcd")}, "") and more == {"b": Summary(*"efgh")}
    assert [at for at, _ in told.asked] == ["summary/a", "summary/a", "summary/b"]
    assert "There is no block" in told.last(1)
    first, _, last = (request.messages[0].content for _, request in told.asked)
    assert "Not known: the patch is all" in first and "+x" in first and TASK.issue in first
    assert "I looked." in last and "a file" in last


async def test_what_cannot_be_summed_up_is_missing(replies):
    told = replies(["a", "b"])
    found, why = await summarise(told.model, TASK, [Candidate("a", "+x")], {}, SETTINGS)
    assert found == {} and "2 model calls were made" in why
    with pytest.raises(Unreachable):
        await summarise(replies([Unreachable("no answer")]).model, TASK, [Candidate("a", "+x")], {}, SETTINGS)


# The tournament -------------------------------------------------------------------------------------------------------


def pool(*names: str) -> Evidence:
    """Candidates whose patches are the longer the later their name, so that they are seeded in its order."""
    return Evidence(
        candidates=tuple(Candidate(name, f"+{name}" + "x" * (ord(name) - 97)) for name in names),
        applies=dict.fromkeys(names, True),
        summaries={name: Summary(f"cause of {name}") for name in names},
    )


def judge_of(better, asked=None) -> DeterministicModel:
    """A judge that is shown two candidates and prefers by `better(first id, second id) -> "A", "B", "none"`."""

    def answer(request, at):
        if asked is not None:
            asked.append((at, request))
        _, first, second, _ = at.split("/")
        return f"<<<<< WINNER\n{better(first, second)}\nCandidate A and Candidate B differ.\n>>>>> END"

    return DeterministicModel(answer)


async def play(model, evidence, settings=SETTINGS):
    return await play_tournament(model, TASK, evidence, {}, settings)


async def test_every_pair_is_compared_from_both_sides_and_winners_go_on():
    asked = []
    found, why = await play(judge_of(lambda a, b: "A" if a > b else "B", asked), pool(*"abcd"))
    assert why == ""
    assert {(m.first, m.second): m.winner for m in found} == {
        ("a", "b"): "b",
        ("b", "a"): "b",
        ("c", "d"): "d",
        ("d", "c"): "d",
        ("b", "d"): "d",
        ("d", "b"): "d",
    }
    assert found[0].reason == "a and b differ." and {m.repeat for m in found} == {1}
    opening = dict(asked)["match/d/b/1"].messages[0].content
    assert opening.index("cause of d") < opening.index("cause of b") and "+bx" in opening


async def test_a_judge_that_favours_a_side_decides_nothing():
    found, _ = await play(judge_of(lambda a, b: "A"), pool(*"ab"))
    assert sorted((m.winner or "") for m in found) == ["a", "b"]


async def test_repeats_are_further_comparisons_and_what_is_there_is_not_asked_again():
    asked = []
    model = judge_of(lambda a, b: "A" if a < b else "B", asked)
    first, _ = await play(model, pool(*"abc"))
    count = len(asked)
    again, _ = await play(model, replace(pool(*"abc"), matches=first))
    assert again == first and len(asked) == count
    more, _ = await play(model, replace(pool(*"abc"), matches=first), SelectionSettings(match_repeats=2))
    assert len(more) == 2 * len(first) and len(asked) == 2 * count
    assert len({at for at, _ in asked}) == len(asked)


async def test_one_candidate_or_one_patch_plays_nobody(replies):
    assert await play(replies([]).model, pool("a")) == ((), "")
    twins = replace(pool(*"ab"), candidates=(Candidate("a", "+x"), Candidate("b", "+x")))
    assert await play(replies([]).model, twins) == ((), "")


async def test_a_reply_that_cannot_be_used_goes_back_once_and_is_a_tie_then(replies):
    tie = "<<<<< WINNER\nnone\nAlike.\n>>>>> END"
    told = replies(["A", "A", tie])
    found, why = await play(told.model, pool(*"ab"))
    by_side = {match.first: match for match in found}
    assert why == "" and [m.winner for m in found] == [None, None]
    assert sorted(match.reason[:20] for match in by_side.values())[0].startswith("Alike")


async def test_a_spent_budget_leaves_the_rest_unplayed(replies):
    found, why = await play(replies([BudgetSpent("1 USD is spent")] * 2).model, pool(*"ab"))
    assert found == () and why == "1 USD is spent"
    with pytest.raises(Unreachable):
        await play(replies([Unreachable("no answer")] * 2).model, pool(*"ab"))


@settings(max_examples=20)
@given(st.permutations(list("abcde")))
def test_the_bracket_does_not_depend_on_the_order_of_candidates(order):
    import asyncio

    model = judge_of(lambda a, b: "A" if a > b else "B")
    found, _ = asyncio.run(play(model, pool(*order)))
    assert set(found) == set(asyncio.run(play(model, pool(*"abcde")))[0])
    assert all(isinstance(match, Match) for match in found)
