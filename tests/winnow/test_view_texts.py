"""What the viewer makes of texts: diffs, pieces, turns, times, names as paths. Any text is taken, nothing is lost."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Key, Outlined
from winnow.view.diffs import read_diff, replacement
from winnow.view.links import Links, slug, unslug
from winnow.view.pieces import code, shown
from winnow.view.timeline import WIDTH, timeline
from winnow.view.turns import new_parts, spans

LINE = st.text(
    st.characters(blacklist_characters="\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", codec="utf-8"), max_size=12
)
ODD = st.sampled_from(
    [
        "--- a",
        "+++ b",
        "-- x",
        "diff --git a/x b/x",
        "@@ -1 +1 @@",
        "\\ No newline at end of file",
        "",
        "-",
        "+",
        " ",
    ]
)
LINES = st.lists(LINE | ODD, max_size=12)


@given(LINES, LINES)
def test_a_diff_by_difflib_is_read_back_line_by_line(old, new):
    """Lines that look like headers of diffs are lines all the same where they stand in a hunk."""
    patch = "\n".join(difflib.unified_diff(old, new, "a/f.py", "b/f.py", lineterm=""))
    found = read_diff(patch)
    lines = [line for file in found.files for line in file.lines]
    assert len(found.files) == (1 if old != new else 0)
    expected = [line for line in difflib.ndiff(old, new) if line[0] in "+-"]
    assert (
        found.added - found.removed == len(new) - len(old) == sum(1 if e[0] == "+" else -1 for e in expected)
    )
    assert [line.text for line in lines if line.kind == "add"] == [
        line[1:] for line in patch.split("\n")[2:] if line.startswith("+")
    ]
    for line in lines:
        if line.kind in ("same", "add"):
            assert new[int(line.new) - 1] == line.text
        if line.kind in ("same", "del"):
            assert old[int(line.old) - 1] == line.text


@given(st.text() | st.lists(LINE | ODD, max_size=30).map("\n".join))
def test_any_text_is_read_as_a_diff_or_in_pieces_without_an_error(text):
    read_diff(text)
    assert code(text).left_out == 0
    shown(text)


BLOCKS = st.sampled_from(
    ["```", "```python", "~~~", "````", "<<<<< EDIT a.py", "===== FIND", "===== REPLACE", ">>>>> END", "<<<<< DONE",
     "<<<<< TEST", "<<<<< CREATE b.py", "a word", "x = 1", ""]
)  # fmt: skip


@given(st.lists(BLOCKS, max_size=14))
def test_no_word_is_lost_between_pieces(lines):
    """Each line that is no marker is in some piece, as often as it was said."""
    said = []
    for piece in shown("\n".join(lines)).pieces:
        said += (
            piece.text.split("\n")
            if piece.diff is None
            else [x.text for f in piece.diff.files for x in f.lines]
        )
    inside_edit = "<<<<< EDIT a.py" in lines
    for word in ("a word", "x = 1"):
        assert said.count(word) <= lines.count(word)
        if not inside_edit:  # before FIND an edit block has no place for words
            assert said.count(word) == lines.count(word)


def test_an_edit_is_shown_as_what_it_changes():
    pieces = shown(
        "Why.\n\n<<<<< EDIT a.py\n===== FIND\nx = 1\ny = 2\n===== REPLACE\nx = 1\ny = 3\n>>>>> END\n"
    ).pieces
    assert [piece.kind for piece in pieces] == ["words", "diff"]
    assert [(line.kind, line.text) for line in pieces[1].diff.files[0].lines] == [
        ("same", "x = 1"),
        ("del", "y = 2"),
        ("add", "y = 3"),
    ]


def test_kinds_of_files_in_a_patch():
    patch = (
        "diff --git a/old name.py b/new name.py\nsimilarity index 90%\nrename from old name.py\nrename to new name.py\n"
        "diff --git a/gone.py b/gone.py\ndeleted file mode 100644\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        "diff --git a/i.png b/i.png\nnew file mode 100644\nBinary files /dev/null and b/i.png differ\n"
    )
    assert [(file.path, file.what, file.added, file.removed) for file in read_diff(patch).files] == [
        ("new name.py", "renamed", 0, 0),
        ("gone.py", "deleted", 0, 1),
        ("i.png", "binary", 0, 0),
    ]
    assert replacement("f", [], ["a", "b"]).added == 2


@given(st.text(st.characters(blacklist_categories=()), max_size=20))
def test_a_name_comes_back_from_its_path(name):
    piece = slug(name)
    assert unslug(piece) == name
    assert piece.isascii() and "/" not in piece and not piece.startswith(".")


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_two_names_have_two_paths(names):
    assert slug(names[0]) != slug(names[1])


@pytest.mark.parametrize("at", ["", "runs/r/", "runs/r/issues/t/", "runs/r/issues/t/trajectories/a/page-2/"])
def test_links_of_an_export_lead_to_the_same_file_from_everywhere(at):
    from posixpath import normpath

    links = Links(at, static=True)
    assert normpath(at + links.issue("r", "t")) == "runs/r/issues/t/index.html"
    assert normpath(at + links.trajectory("r", "t", "a", 31, 2).split("#")[0]) == (
        "runs/r/issues/t/trajectories/a/page-2/index.html"
    )
    assert normpath(at + links.asset("view.css")) == "static/view.css"


def outlined(number: int, kind: str, started: float, seconds: float, parts=(), branch="editing") -> Outlined:
    return Outlined(
        number, Key("attempt-1", branch, number), kind, tuple(parts), 0, 0, 0, None, started, seconds
    )


def test_a_turn_is_a_question_with_the_commands_after_it():
    steps = [
        outlined(1, "run", 0, 1),
        outlined(2, "ask", 1, 2),
        outlined(3, "run", 3, 1),
        outlined(4, "run", 4, 1),
        outlined(5, "given", 5, 1),
    ]
    assert [(span.number, len(span.steps), span.sandbox_seconds) for span in spans(steps)] == [
        (0, 1, 1),
        (1, 3, 2),
        (2, 1, 0),
    ]
    assert spans([]) == []


def test_what_is_new_in_a_turn_is_what_no_turn_said_before():
    said = [("message 1 (system)", "s"), ("message 2 (user)", "u1"), ("settings", "x")]
    more = [*said[:2], ("message 3 (assistant)", "r1"), ("message 4 (user)", "u2"), ("settings", "x")]
    other = [("message 1 (system)", "s"), ("message 2 (assistant)", "example"), ("settings", "x")]
    steps = [
        outlined(1, "ask", 0, 1, said),
        outlined(2, "ask", 1, 1, more),
        outlined(3, "ask", 2, 1, other, branch="other"),
    ]
    found = new_parts(steps)
    assert found[1] == (("message 1 (system)", "s"), ("message 2 (user)", "u1"))
    assert found[2] == (("message 4 (user)", "u2"),)  # the reply was shown in its own turn
    assert found[3] == (("message 2 (assistant)", "example"),)  # no reply of ours: a part of the prompt


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "run"]), st.floats(1, 1e9), st.floats(0, 1e5)),
        min_size=1,
        max_size=40,
    )
)
def test_every_bar_lies_on_the_line_whatever_the_times(times):
    steps = [outlined(n, kind, started, seconds) for n, (kind, started, seconds) in enumerate(times)]
    found = timeline(spans(steps))
    assert len(found.bars) == len(times)
    for bar in found.bars:
        assert 0 <= bar.x <= WIDTH and 0 < bar.width <= WIDTH + 2
        assert bar.x + bar.width <= WIDTH + 3
    assert found.model + found.sandbox == pytest.approx(sum(seconds for _, _, seconds in times), abs=1e-6)


def test_a_night_between_two_sessions_is_cut_out():
    steps = [outlined(1, "ask", 100, 10), outlined(2, "run", 110, 10), outlined(3, "ask", 40_000, 10)]
    found = timeline(spans(steps))
    assert found.seconds < 40 and len(found.breaks) == 1
    assert found.bars[2].width > WIDTH / 5
