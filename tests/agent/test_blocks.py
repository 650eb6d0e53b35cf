"""The form of replies: what opens and ends a block, and what a model is told where it slipped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import Form, ReplyError, read_blocks, write_block
from agent.blocks import escape, unfence

LINES = st.lists(
    st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=20)
)
MARKERS = st.sampled_from(
    [
        ">>>>> END",
        "<<<<< DONE",
        "<<<<< EDIT a.py",
        "===== FIND",
        "\\>>>>> END",
        "\\\\<<<<< TEST",
        ">>>>> END  ",
        "=====",
    ]
)


def test_prose_fences_and_inline_markers_are_no_blocks():
    prose = "I could write `<<<<< DONE` or\n  <<<<< DONE\nbut first:\n"
    reply = prose + "```\n<<<<< TEST\nprint(1)\n>>>>> END\n```\n>>>>> END\n"
    (block,) = read_blocks(reply)
    assert (block.name, block.lines) == ("TEST", ("print(1)",))


def test_windows_line_ends_and_blanks_after_a_marker():
    (block,) = read_blocks("<<<<< TEST \r\nprint(1)\r\n>>>>> END\t\r\n")
    assert block.lines == ("print(1)",)


@pytest.mark.parametrize(
    "content",
    [
        "=======",
        "<<<<<<< HEAD",
        ">>>>>>> theirs",
        ">>>>> END of story",
        " >>>>> END",
        "<<<<< done",
        "</test>",
        "```",
    ],
)
def test_lines_that_only_look_like_markers_are_content(content):
    (block,) = read_blocks(f"<<<<< TEST\n{content}\n>>>>> END")
    assert block.lines == (content,)


@given(st.lists(st.one_of(MARKERS, LINES.map(lambda lines: "".join(lines)))))
def test_any_content_survives_being_written_and_read(lines):
    (block,) = read_blocks("Here:\n" + write_block("TEST", "", (("", tuple(lines)),)) + "\nThat is it.")
    assert list(block.lines) == lines


@given(LINES, LINES)
def test_both_sides_of_an_edit_survive(find, replace):
    parts = (("FIND", tuple(find)), ("REPLACE", tuple(replace)))
    (block,) = read_blocks(write_block("EDIT", "a b/ü.py", parts))
    assert block.argument == "a b/ü.py" and block.parts[1:] == parts


def test_escape_touches_exact_markers_only():
    assert escape("<<<<< TEST") == "\\<<<<< TEST" and escape("<<<<< TESTS") == "<<<<< TESTS"


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("", "no block"),
        ("I am done.", "no block"),
        ("<<<<< TEST\nprint(1)", "ends in the middle"),
        ("<<<<< TEST\nprint(1)\n>>>>> END TEST", "`>>>>> END TEST` is not it"),
        ("<<<<< TEST\nprint(1)\n<<<<< DONE\n", "not closed"),
        ("<<<<< EDIT\n===== FIND\n>>>>> END", "name a file"),
        ("  <<<<< TEST\n  print(1)\n  >>>>> END", "first column"),
        ("<<<<< TEST: check\nprint(1)\n>>>>> END", "not a marker line"),
        ("<<< DONE >>>", "not a marker line"),
    ],
)
def test_a_slip_is_named(reply, word):
    with pytest.raises(ReplyError, match="(?s)" + word.replace("(", r"\(")):
        read_blocks(reply)


def test_a_block_that_is_not_allowed_here():
    with pytest.raises(ReplyError, match="no place here"):
        read_blocks("<<<<< RANKING\na\n>>>>> END", only=("TEST", "DONE"))


@pytest.mark.parametrize(
    "reply",
    [
        "<think>maybe\n<<<<< TEST\nold\n>>>>> END\n or <<<<< TEST\n</think>\n<<<<< DONE\n",
        "<think>\n<<<<< TEST\nnever closed\n</think>\n\n<<<<< DONE",
        "maybe\n<<<<< TEST\nold\n>>>>> END\n</think>\n<<<<< DONE",
    ],
)
def test_drafts_in_a_thought_do_not_count(reply):
    assert [block.name for block in read_blocks(reply)] == ["DONE"]


def test_the_end_of_a_thought_as_content_of_a_block_stays():
    (block,) = read_blocks("<<<<< TEST\nprint('''\n</think>\n''')\n>>>>> END")
    assert block.lines[1] == "</think>"


def test_another_room_brings_its_own_blocks():
    (block,) = read_blocks("<<<<< WINNER attempt-2", {"WINNER": Form(argument=True, body=False)})
    assert block.argument == "attempt-2"


@given(st.text())
def test_junk_is_only_ever_a_reply_error(text):
    try:
        read_blocks(text)
    except ReplyError as error:
        assert str(error)


def test_unfence_takes_off_one_fence_around_everything():
    assert unfence(("", "```python", "a", "```", "")) == ("a",)
    assert unfence(("~~~~", "```", "a", "```", "~~~~")) == ("```", "a", "```")
    assert unfence(("```", "a", "b")) == ("```", "a", "b")
    assert unfence(("a", "```", "b", "```")) == ("a", "```", "b", "```")
