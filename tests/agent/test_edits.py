"""Edits as models write them: a slip (SAFETY 19) is understood, or sent back with a reason that mends it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import Create, Delete, EditError, Replace, apply_edits, parse_edits, write_edits

FILE = "def a():\n    return 1\n\n\ndef b():\n    return 2\n\n\ndef c():\n    return 1\n"


def edit(path, find, replace):
    return f"<<<<< EDIT {path}\n===== FIND\n{find}\n===== REPLACE\n{replace}\n>>>>> END\n"


def apply(files, reply, **more):
    return apply_edits(files.get, parse_edits(reply), files=list(files), **more)


def refused(files, reply, **more):
    with pytest.raises(EditError) as error:
        apply(files, reply, **more)
    return str(error.value)


def test_replace_create_and_delete_in_one_reply():
    reply = (
        edit("a.py", "    return 2", "    return 3")
        + "<<<<< CREATE new/b.txt\nhello\n>>>>> END\n<<<<< DELETE c.py"
    )
    changed = apply({"a.py": FILE, "c.py": "x\n"}, reply).changed
    assert changed == {"a.py": FILE.replace("return 2", "return 3"), "new/b.txt": "hello\n", "c.py": None}


def test_several_edits_of_one_file_in_any_order():
    reply = edit("a.py", "def c():", "def d():") + edit("a.py", "def a():", "def z():")
    assert apply({"a.py": FILE}, reply).changed["a.py"] == FILE.replace("a()", "z()").replace("c()", "d()")


def test_several_pairs_in_one_block():
    reply = "<<<<< EDIT a.py\n===== FIND\ndef a():\n===== REPLACE\ndef x():\n===== FIND\ndef b():\n===== REPLACE\n"
    assert apply({"a.py": FILE}, reply + ">>>>> END").changed["a.py"].count("def x") == 1


def test_lines_can_be_removed_and_added_at_the_end():
    assert apply({"a": "x\ny\n"}, "<<<<< EDIT a\n===== FIND\nx\n===== REPLACE\n>>>>> END").changed == {
        "a": "y\n"
    }
    assert apply({"a": "x\ny"}, edit("a", "y", "y\nz")).changed == {"a": "x\ny\nz"}


def test_windows_line_ends_are_kept_where_the_model_writes_plain_ones():
    text = "\ufeffone\r\ntwo\r\nthree"
    assert apply({"a": text}, edit("a", "one\ntwo", "1\n2\n2.5")).changed == {
        "a": "\ufeff1\r\n2\r\n2.5\r\nthree"
    }
    assert apply({"a": text}, edit("a", "three", "3\n4")).changed == {"a": "\ufeffone\r\ntwo\r\n3\r\n4"}


def test_plain_line_ends_are_kept_where_the_model_writes_windows_ones():
    assert apply({"a.py": FILE}, edit("a.py", "def b():", "def d():").replace("\n", "\r\n")).changed == {
        "a.py": FILE.replace("b()", "d()")
    }


def test_mixed_line_ends_outside_of_the_edit_stay():
    assert apply({"a": "1\r\n2\n3\r\n4\n"}, edit("a", "2", "two")).changed == {"a": "1\r\ntwo\n3\r\n4\n"}


def test_a_uniform_indentation_is_forgiven_and_noted():
    text = "class A:\n\n    def f(self):\n        if x:\n            return 1\n"
    shallow = edit("a.py", "def f(self):\n    if x:\n        return 1", "def f(self):\n\n    return x")
    applied = apply({"a.py": text}, shallow)
    assert applied.changed == {"a.py": "class A:\n\n    def f(self):\n\n        return x\n"}
    assert "indentation" in applied.notes[0]
    deep = edit(
        "a.py", "            if x:\n                return 1", "            if y:\n                return 2"
    )
    assert apply({"a.py": text}, deep).changed["a.py"].endswith("        if y:\n            return 2\n")


def test_an_indentation_that_is_not_uniform_is_not_guessed():
    reply = edit("a.py", "  def f():\n      return 1", "x")
    assert "is not in a.py" in refused({"a.py": "def f():\n\treturn 1\n"}, reply)


def test_an_indentation_that_fits_two_places_is_not_guessed():
    text = "if a:\n    x = 1\nif b:\n        x = 1\n"
    assert "2 times, beginning on lines 2, 4" in refused({"a.py": text}, edit("a.py", "  x = 1", "  x = 2"))


def test_white_space_at_line_ends_is_forgiven():
    applied = apply({"a": "one  \n\t\ntwo\n"}, edit("a", "one\n\ntwo", "1"))
    assert applied.changed == {"a": "1\n"} and "white space" in applied.notes[0]


def test_a_fence_or_blank_lines_around_both_parts_are_taken_off():
    assert apply(
        {"a.py": FILE}, edit("a.py", "```python\ndef b():\n```", "```python\ndef d():\n```")
    ).changed == {"a.py": FILE.replace("b()", "d()")}
    assert apply(
        {"a.py": FILE}, edit("a.py", "\ndef a():\n    return 1\n", "\ndef d():\n    return 1\n")
    ).changed == {"a.py": FILE.replace("a()", "d()")}


def test_fences_that_are_content_stay():
    text = "Intro\n```\nold\n```\n"
    assert apply({"a.md": text}, edit("a.md", "```\nold\n```", "```\nnew\n```")).changed == {
        "a.md": text.replace("old", "new")
    }
    fenced = "<<<<< CREATE b.{}\n```\nx\n```\n>>>>> END"
    assert apply({}, fenced.format("md")).changed == {"b.md": "```\nx\n```\n"}
    assert apply({}, fenced.format("py")).changed == {"b.py": "x\n"}


def test_an_edit_may_quote_our_own_markers():
    text = "<<<<< EDIT x\n>>>>> END\n"
    reply = write_edits([Replace("a", ("<<<<< EDIT x", ">>>>> END"), ("===== FIND",))])
    assert apply({"a": text}, reply).changed == {"a": "===== FIND\n"}


def test_a_search_that_matches_nowhere_shows_the_closest_lines():
    reason = refused({"a.py": FILE}, edit("a.py", "def b():\n    return 22", "x"))
    assert "Edit 1: its FIND part is not in a.py" in reason and "    5| def b():" in reason
    assert "on line 6: you wrote `    return 22`, the file has `    return 2`" in reason


def test_a_search_that_resembles_nothing_still_says_so():
    assert refused({"a.py": FILE}, edit("a.py", "%%%%", "x")).endswith(
        "Copy whole lines exactly as they are."
    )


def test_a_search_that_matches_twice_names_the_lines():
    reason = refused({"a.py": FILE}, edit("a.py", "    return 1", "    return 9"))
    assert "2 times, beginning on lines 2, 10" in reason and "more lines" in reason


def test_edits_that_overlap():
    reply = edit("a.py", "def b():\n    return 2", "x") + edit("a.py", "    return 2", "y")
    assert "Edit 2: it and edit 1 both change lines 6-6 of a.py" in refused({"a.py": FILE}, reply)
    assert "edit 1 both change" in refused({"a.py": FILE}, 2 * edit("a.py", "def a():", "z"))


def test_a_file_that_is_replaced_and_deleted():
    assert "once more" in refused({"a.py": FILE}, edit("a.py", "def b():", "x") + "<<<<< DELETE a.py")
    assert "once more" in refused({"a.py": FILE}, "<<<<< DELETE a.py\n" + edit("a.py", "def b():", "x"))
    assert "once more" in refused({}, 2 * "<<<<< CREATE n\nx\n>>>>> END\n")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/etc/passwd", "absolute"),
        ("C:\\x.py", "absolute"),
        ("~/x.py", "absolute"),
        ("../x.py", "leads out"),
        ("a/../../x.py", "leads out"),
        ("a\\..\\x.py", "leads out"),
        (".git/config", ".git"),
        ("sub/.GIT/hooks/pre-commit", ".git"),
        ("a/", "not the path of a file"),
        (".", "not the path of a file"),
        ("a\x00b", "not the path of a file"),
        ("x" * 300, "too long"),
    ],
)
@pytest.mark.parametrize("form", ["<<<<< CREATE {}\nx\n>>>>> END", "<<<<< DELETE {}", edit("{}", "a", "b")])
def test_paths_that_lead_elsewhere(path, word, form):
    assert word in refused({"a.py": FILE}, form.replace("{}", path))


@pytest.mark.parametrize("path", ["./shop/cart.py", "`shop/cart.py`", "shop//cart.py", "shop\\cart.py"])
def test_other_spellings_of_a_path_are_understood(path):
    assert apply({"shop/cart.py": FILE}, edit(path, "def a():", "def x():")).changed.keys() == {
        "shop/cart.py"
    }


def test_a_name_with_spaces_and_quotes():
    assert apply({"it's a.txt": "x\n"}, edit("it's a.txt", "x", "y")).changed == {"it's a.txt": "y\n"}


def test_missing_existing_and_binary_files():
    files = {"shop/cart.py": FILE}
    assert "Did you mean shop/cart.py?" in refused(files, edit("cart.py", "a", "b"))
    assert "no file x.py" in refused({}, "<<<<< DELETE x.py")
    assert "exists already" in refused(files, "<<<<< CREATE shop/cart.py\nx\n>>>>> END")
    assert "shop/cart.py is a file" in refused(files, "<<<<< CREATE shop/cart.py/x\nx\n>>>>> END")
    assert "it is a folder" in refused(files, "<<<<< CREATE shop\nx\n>>>>> END")
    with pytest.raises(EditError, match="no text file"):
        apply_edits({}.get, parse_edits(edit("a.png", "x", "y")), files=["a.png"])
    assert apply_edits({}.get, [Delete("a.png")], files=["a.png"]).changed == {"a.png": None}
    assert "in its place" in refused(
        files, "<<<<< CREATE link\nx\n>>>>> END", occupied=lambda path: path == "link"
    )
    assert "behind, a link" in refused(files, edit("link", "x", "y"), occupied=lambda path: path == "link")


def test_an_empty_search():
    assert "FIND part is empty" in refused({"a.py": FILE}, edit("a.py", "", "x"))
    assert apply({"a.py": ""}, edit("a.py", "", "x")).changed == {"a.py": "x\n"}


def test_an_edit_that_changes_nothing():
    assert "changes nothing" in refused({"a.py": FILE}, edit("a.py", "def b():", "def b():"))


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("Just change line 3.", "no block"),
        (edit("a.py", "x", "y")[:-12], "ends in the middle"),
        ("<<<<< EDIT a.py\nx\n=======\ny\n>>>>> END", "no line `===== FIND`"),
        ("<<<<< EDIT a.py\n===== FIND\nx\n>>>>> END", "dividers FIND"),
        ("<<<<< EDIT a.py\n===== REPLACE\nx\n===== FIND\ny\n>>>>> END", "dividers REPLACE, FIND"),
        ("<<<<< EDIT a.py\nhere\n===== FIND\nx\n===== REPLACE\ny\n>>>>> END", "text before"),
    ],
)
def test_blocks_of_the_wrong_shape(reply, word):
    assert word in refused({"a.py": FILE}, reply)


def test_every_wrong_edit_is_named_at_once():
    reason = refused({"a.py": FILE}, edit("a.py", "nope", "x") + edit("b.py", "x", "y") + "<<<<< DELETE ../x")
    assert [line[:7] for line in reason.split("\n") if line.startswith("Edit")] == [
        "Edit 1:",
        "Edit 2:",
        "Edit 3:",
    ]


LINE = st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=12)
MARKER = st.sampled_from(
    [">>>>> END", "===== FIND", "===== REPLACE", "<<<<< DONE", "```", "    return 1", ""]
)
LINES = st.lists(st.one_of(LINE, MARKER), max_size=12)


@settings(max_examples=300)
@given(
    data=st.data(), lines=LINES, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans(), mark=st.booleans()
)
def test_rendered_edits_do_what_they_say(data, lines, end, last, mark):
    """Distinct line numbers make each place unique; what comes out is computed independently, by slicing."""
    lines = [f"{i}{line}" if line.strip() else f"{i}" for i, line in enumerate(lines)] or ["0"]
    end = end if last or len(lines) > 1 else "\n"
    text = ("\ufeff" if mark else "") + end.join(lines) + (end if last else "")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=6)))
    edits, expected, done = [], [], 0
    for start, stop in zip(cuts[::2], cuts[1::2], strict=False):
        if start == stop or start < done:
            continue
        new = data.draw(LINES)
        edits.append(Replace("f", tuple(lines[start:stop]), tuple(new)))
        expected += lines[done:start] + new
        done = stop
    expected += lines[done:]
    wanted = ("\ufeff" if mark else "") + "".join(line + end for line in expected)
    if not last and done < len(lines) or (not last and edits and edits[-1].replace):
        wanted = wanted[: -len(end)] if expected else wanted
    edits += [Create("new/n.txt", "".join(line + "\n" for line in data.draw(LINES))), Delete("gone")]
    read = parse_edits("Thinking...\n" + write_edits(edits) + "\nDone.")
    assert read == edits
    changed = apply_edits({"f": text, "gone": "x"}.get, read, files=("f", "gone")).changed
    assert changed.get("f", text) == wanted
    assert changed["gone"] is None and changed["new/n.txt"] == edits[-2].text


TOKENS = st.sampled_from(
    [
        "<<<<< EDIT a",
        "<<<<< CREATE n",
        "<<<<< DELETE a",
        "===== FIND",
        "===== REPLACE",
        ">>>>> END",
        "x",
        "  y",
        "",
        "```",
    ]
)


@settings(max_examples=400)
@given(
    st.one_of(st.text(), st.lists(TOKENS, max_size=14).map("\n".join)),
    st.sampled_from(["x\n  y\nx", "", "y\r\n"]),
)
def test_junk_is_only_ever_an_edit_error(reply, text):
    files = {"a": text}
    try:
        applied = apply_edits(files.get, parse_edits(reply), files=files)
    except EditError as error:
        assert str(error)
    else:
        assert applied.changed
