"""The judge: probabilities from tokens or from answers, what it is shown, and what it is asked once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import Candidate, Ending
from agent.answers import says_yes, yes_by_logprobs
from environments import Recipe, Snapshot, Task
from models import BudgetSpent, Choice, DeterministicModel, Message, Reply, TokenLogprob, Unreachable
from models.deterministic import Rules
from selection import Judgement, SelectionSettings, Signals
from selection.judge import judge_candidates
from selection.trajectory import Trajectory, Turn, shown_trajectory, signals_of, trajectory_of

TASK = Task("t", "total.sh 1 2 prints -1.", Snapshot(None, "/w", "", "", ""), Recipe())
SETTINGS = SelectionSettings(judge_samples=4)


def choice(*tokens: tuple[str, dict[str, float]] | str) -> Choice:
    """Tokens as (token, {alternative: probability}); a bare text is a token without alternatives."""
    made = []
    for token in tokens:
        text, top = (token, {token: 1.0}) if isinstance(token, str) else token
        pairs = tuple((t, math.log(p)) for t, p in top.items())
        made.append(TokenLogprob(text, math.log(top.get(text, 1e-9)), pairs))
    return Choice(Message("assistant", "".join(t.token for t in made)), logprobs=tuple(made))


@pytest.mark.parametrize(
    ("said", "probability"),
    [
        (choice(("YES", {"YES": 0.6, "NO": 0.2})), 0.75),
        (choice(("NO", {"YES": 0.3, " Yes": 0.1, "yes": 0.1, "Y": 0.1, "NO": 0.3, "**No": 0.1})), 0.6),
        (choice("\n", "**", ("YES", {"YES": 0.9, "NO": 0.1}), "**"), 0.9),
        (choice(("Y", {"Y": 0.5, "N": 0.5}), "ES"), 0.5),
        (choice(("Yes", {"Yes": 0.4, "Not": 0.3, "Yesterday": 0.2, "No": 0.1})), 0.8),
        (choice("Judgement", ":", (" NO", {" NO": 0.8, " YES": 0.2})), 0.2),
        (choice("<think>", "Yes", " or no", "</think>", ("No", {"No": 0.7, "Yes": 0.3})), 0.3),
        (choice("an", "no", "unced", " it: ", ("YES", {"YES": 1.0})), 1.0),
        (choice(("NO", {"Maybe": 0.9})), 0.0),
        (choice(("Maybe", {"Maybe": 0.5, "YES": 0.5})), None),
        (Choice(Message("assistant", "YES")), None),
        (choice(), None),
    ],
)
def test_the_answer_is_found_by_its_text_in_every_tokenisation(said, probability):
    found = yes_by_logprobs(said)
    assert found is None if probability is None else found == pytest.approx(probability, abs=1e-6)


_PIECE = st.sampled_from(["YES", "NO", "Y", "es", " ", "", "\n", "not", "*", "</think>", "n", "o"])
_TOP = st.dictionaries(_PIECE, st.floats(1e-6, 1.0), max_size=4)


@given(st.lists(st.tuples(_PIECE, _TOP), max_size=6))
def test_any_tokens_give_a_probability_or_none(tokens):
    found = yes_by_logprobs(choice(*tokens))
    assert found is None or 0 <= found <= 1


@pytest.mark.parametrize(
    ("text", "yes"),
    [("YES", True), ("no.", False), ("**Yes**", True), ("No doubt: YES", True), ("nothing, yesterday", None)],
)
def test_an_answer_in_words(text, yes):
    assert says_yes(text) is yes


# Asking ---------------------------------------------------------------------------------------------------------------


def model_with(**logprobs: float) -> DeterministicModel:
    rule = {"at": "execution-free", "reply": "YES", "logprobs": {k: math.log(v) for k, v in logprobs.items()}}
    return DeterministicModel(rules=Rules.model_validate({"rules": [rule]}))


async def test_log_probabilities_where_the_server_gives_them():
    found, why = await judge_candidates(
        model_with(YES=0.8, NO=0.2), TASK, [Candidate("a", "+x")], {}, SETTINGS
    )
    assert why == "" and found["a"].how == "log-probabilities" and found["a"].yes == pytest.approx(0.8)


async def test_samples_where_it_gives_none_and_what_cannot_be_read_does_not_count(replies):
    told = replies(["YES", ["NO", "well", "yes"]])
    found, _ = await judge_candidates(told.model, TASK, [Candidate("a", "+x")], {}, SETTINGS)
    assert found == {"a": Judgement(pytest.approx(2 / 3), "samples", 3)}
    (first, one), (second, more) = told.asked
    assert first == second == "execution-free/a"
    assert (one.logprobs, one.n, one.temperature) == (20, 1, 1.0) and (more.logprobs, more.n) == (None, 3)


async def test_a_server_with_one_choice_a_call_is_asked_again(replies):
    one = Reply((Choice(Message("assistant", "NO")),))
    told = replies(["YES", one, one, "YES"])
    found, _ = await judge_candidates(told.model, TASK, [Candidate("a", "+x")], {}, SETTINGS)
    assert found["a"] == Judgement(0.5, "samples", 4)


async def test_no_answer_is_missing_not_a_no(replies):
    told = replies(["Perhaps.", ["Hm", "Hm", "Hm"], "NO", ["NO"] * 3])
    found, why = await judge_candidates(
        told.model, TASK, [Candidate("a", "+x"), Candidate("b", "+y")], {}, SETTINGS
    )
    assert found == {"b": Judgement(0.0, "samples", 4)} and why == "the judge answered neither YES nor NO"


async def test_the_same_patch_and_trajectory_are_asked_once_and_empty_ones_never(replies):
    pool = [Candidate("b", "+x"), Candidate("a", "+x"), Candidate("c", " \n"), Candidate("d", "+x")]
    told = replies(["NO", ["NO"] * 3, "YES", ["YES"] * 3])
    found, _ = await judge_candidates(
        told.model, TASK, pool, {}, SETTINGS, {"d": trajectory("looked", "saw it")}
    )
    assert {name: word.yes for name, word in found.items()} == {"a": 0.0, "b": 0.0, "d": 1.0}
    assert sorted({at for at, _ in told.asked}) == ["execution-free/a", "execution-free/d"]
    shown = {at: request.messages[0].content for at, request in told.asked}
    assert "saw it" in shown["execution-free/d"] and "Not known" in shown["execution-free/a"]
    assert all(TASK.issue in text and "+x" in text for text in shown.values())


async def test_budget_and_window_leave_the_rest_missing(replies):
    told = replies([BudgetSpent("1 USD is spent")])
    found, why = await judge_candidates(told.model, TASK, [Candidate("a", "+x")], {}, SETTINGS)
    assert (found, why) == ({}, "1 USD is spent")
    small = SelectionSettings(context_window=1000)
    found, why = await judge_candidates(replies([]).model, TASK, [Candidate("a", "+x")], {}, small)
    assert found == {} and "do not fit a window of 1000" in why
    with pytest.raises(Unreachable):
        await judge_candidates(
            replies([Unreachable("no answer")]).model, TASK, [Candidate("a", "+x")], {}, SETTINGS
        )


# Trajectories ---------------------------------------------------------------------------------------------------------


def trajectory(*texts: str) -> Trajectory:
    return Trajectory(tuple(Turn("said" if i % 2 == 0 else "seen", text) for i, text in enumerate(texts)))


def test_messages_become_turns_without_what_all_share():
    said = [
        ("system", "s"),
        ("user", "begin"),
        ("assistant", "I look."),
        ("tool", "files"),
        ("assistant", "done"),
    ]
    found = trajectory_of([{"role": role, "content": text} for role, text in said], ["network"])
    assert [turn.kind for turn in found.turns] == ["seen", "said", "seen", "said"]
    assert found.flags == ("network",)


def test_the_longest_observations_are_cut_first_and_never_the_first():
    long = trajectory("a" * 900, "first " * 300, "b", "x" * 5000, "c", "y" * 500, "d", "z" * 9000)
    text = shown_trajectory(long, 6000)
    assert len(text) <= 6000
    assert "first " * 300 in text and "y" * 500 in text and "a" * 900 in text
    assert "x" * 1400 not in text and text.count("characters left out here") == 2
    assert "x" * 500 in text and "z" * 500 in text


def test_what_fits_is_not_cut_and_what_never_fits_is_cut_whole():
    small = trajectory("a", "b", "c", "d")
    assert "left out" not in shown_trajectory(small, 1000)
    assert len(shown_trajectory(trajectory("a" * 9000, "b" * 9000), 2000)) <= 2000
    assert shown_trajectory(Trajectory(), 1000) == ""


@given(st.lists(st.text(max_size=600), max_size=8), st.integers(1000, 3000))
def test_a_trajectory_is_never_longer_than_it_may_be(texts, limit):
    assert len(shown_trajectory(trajectory(*texts), limit)) <= limit


def test_signals():
    candidate = Candidate("a", "+x", ending=Ending.STEP_LIMIT, calls=7)
    assert signals_of(candidate, None) == Signals("step limit", 7)
    doubting = trajectory(
        "I am sure.", "x", "It runs. I could not verify the second case, though. Done.", "y", "<<<<< DONE"
    )
    assert signals_of(candidate, doubting).doubt == "I could not verify the second case, though."
    calm = trajectory("I am unsure.", "x", "Now it is right.", "y", "<<<<< TEST\n# a hacky check\n>>>>> END")
    assert signals_of(candidate, calm).doubt == ""
