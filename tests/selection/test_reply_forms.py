"""Grammars of what selection reads: what is drawn from one can be read, and is of a kind that has its place then."""

from __future__ import annotations

import pytest
from gbnf import Grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import ReplyError, Script, words_form
from agent.answers import says_yes
from models import Bounds
from selection import reproduction, summaries
from selection.decision import Decision, decision_form, read_reply
from selection.distinguishing import _FORM as DIFFERENCE
from selection.distinguishing import _read as read_difference

LABELS = ["A", "B", "C"]
STATES = {
    "any": {"tests": True, "winner": True},
    "a test": {"tests": True, "winner": False},
    "a winner": {"tests": False, "winner": True},
}


def grammar(form):
    return Grammar(form(Bounds(6, 12)))


DECISIONS = {name: grammar(decision_form(LABELS, **state)) for name, state in STATES.items()}
REST = {
    "summary": (grammar(summaries._FORM), summaries.read_summary),
    "reproduction": (grammar(reproduction._FORM), reproduction._read),
    "difference": (grammar(DIFFERENCE), lambda reply: read_difference(reply) or "none"),
    "judge": (grammar(words_form("YES", "NO")), lambda reply: str(says_yes(reply)).replace("None", "")),
}


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False))
def test_a_decision_that_is_drawn_can_be_read(state, chance):
    reply = DECISIONS[state].draw(chance)
    said = read_reply(reply, LABELS, **STATES[state])
    assert isinstance(said, Script) or said.label in ("", *LABELS), reply


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("label", ["A", "none", "D", "**B**"])
def test_a_winner_that_is_not_shown_is_not_in_it(state, label):
    reply = f"Because.\n\n<<<<< WINNER\n{label}\nIt is right.\n>>>>> END\n"
    try:
        wrong = not isinstance(read_reply(reply, LABELS, **STATES[state]), Decision)
    except ReplyError:
        wrong = True
    assert DECISIONS[state].accepts(reply) == (not wrong and "*" not in label)


@pytest.mark.parametrize("name", REST)
@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False))
def test_what_is_drawn_can_be_read(name, chance):
    drawn, read = REST[name]
    reply = drawn.draw(chance)
    assert read(reply), reply
