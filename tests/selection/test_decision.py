"""Reading replies of choosers: what is understood, and what goes back with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import Candidate, ReplyError, Script
from selection.decision import Decision, WrongLabel, read_reply
from selection.material import labelled, unlabelled

LABELS = ["A", "B", "C"]


def winner(first: str, *reason: str) -> str:
    return "\n".join(["I think so.", "<<<<< WINNER", first, *reason, ">>>>> END"])


@pytest.mark.parametrize(
    "first", ["B", "b", "Candidate B", "candidate b.", "`B`", "**Candidate B**", "(B)", "\nB", "B\r"]
)
def test_a_label_is_known_however_it_is_dressed(first):
    assert read_reply(winner(first, "It is right.", "", "A is not."), LABELS) == Decision(
        "B", "It is right. A is not."
    )


@pytest.mark.parametrize("first", ["none", "None.", "NONE"])
def test_none_is_an_answer(first):
    assert read_reply(winner(first, "They agree."), LABELS) == Decision("", "They agree.")


@pytest.mark.parametrize(
    "first", ["D", "attempt-1", "A and B", "AB", "1", "Candidate", "B because it is right", "<A>"]
)
def test_another_name_is_refused_with_those_there_are(first):
    with pytest.raises(WrongLabel, match="one of A, B, C, or none"):
        read_reply(winner(first, "why"), LABELS)


TEST = "<<<<< TEST\n#!/bin/sh\nexit 2\n>>>>> END"


def test_a_test_is_a_script():
    assert read_reply(f"thinking\n{TEST}\n", LABELS) == Script("sh", "#!/bin/sh\nexit 2\n")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("B is best.", "There is no block in the reply"),
        (f"{TEST}\n{winner('B')}", "There are 2 blocks in the reply (TEST, WINNER): write exactly one."),
        ("<<<<< WINNER\n\n>>>>> END", "The WINNER block is empty"),
        ("<<<<< WINNER\nB\nbecause", "is not closed"),
        ("<<<<< WINNER B\nbecause\n>>>>> END", "`<<<<< WINNER B` is not a marker line"),
        ("<<<<< TEST\n#!/bin/sh\n>>>>> END", "The TEST block is empty"),
        ("", "There is no block in the reply"),
    ],
)
def test_what_cannot_be_used_says_why(reply, reason):
    with pytest.raises(ReplyError) as error:
        read_reply(reply, LABELS)
    assert reason in str(error.value)


def test_each_in_its_time():
    with pytest.raises(ReplyError, match="No test can be run any more"):
        read_reply(TEST, LABELS, tests=False)
    with pytest.raises(ReplyError, match="No test has been run yet"):
        read_reply(winner("B"), LABELS, winner=False)


@given(
    st.text()
    | st.lists(st.sampled_from(["<<<<< WINNER", "<<<<< TEST", ">>>>> END", "A", "", "\\", "#!"])).map(
        "\n".join
    )
)
def test_any_text_is_read_or_refused(reply):
    try:
        step = read_reply(reply, LABELS)
    except ReplyError as error:
        assert str(error)
    else:
        assert isinstance(step, Script) or step.label in ("", *LABELS)


def test_labels_in_the_models_words_become_ids():
    labels = labelled([Candidate("attempt-1", "+echo\n")])
    assert unlabelled("candidate A; Candidate Z; A; Candidate As", labels) == (
        "attempt-1; Candidate Z; A; Candidate As"
    )
    with pytest.raises(ValueError, match="27 candidates cannot be compared at once"):
        labelled([Candidate(str(i), "") for i in range(27)])
