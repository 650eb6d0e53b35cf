"""What may be shown of foreign text, and what is written out."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import json_text, patch_warning, unfit_characters, visible, visible_line

TEXTS = st.text(
    st.characters()
    | st.sampled_from("\x1b\r\n\t\x7f\x9b\u202e\u200b\u200d\u200c\ufe0f\U000e0041\ud800e\u0301😀ک葛")
)


@given(TEXTS)
def test_what_is_shown_has_nothing_a_terminal_obeys_or_a_reader_misses(text):
    shown = visible(text)
    for at, character in enumerate(shown):
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            visible_format = (
                character
                in "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
            )
            joiner = character in "\u200c\u200d" and 0 < at < len(shown) - 1 and not shown[at - 1].isascii()
            assert character in "\n\t" or visible_format or joiner, ascii(shown)
    assert visible(shown) == shown
    assert not unfit_characters(shown)
    assert bool(unfit_characters(text)) == (shown != text)
    shown.encode()
    assert not set(visible_line(text)) & set("\n\t\r")


@given(TEXTS)
def test_nothing_is_dropped(text):
    """What stays is what was fit, in its order; each character that was not is its own code."""
    shown = visible(text)
    at = 0
    for character in text:
        codes = {
            character,
            f"\\x{ord(character):02x}",
            f"\\u{ord(character):04x}",
            f"\\U{ord(character):08x}",
            "\\r",
        }
        found = next((code for code in codes if shown.startswith(code, at)), None)
        assert found is not None, (ascii(text), shown)
        at += len(found)
    assert at == len(shown)


@given(
    st.recursive(
        st.none() | st.integers() | TEXTS, lambda v: st.lists(v) | st.dictionaries(TEXTS, v), max_leaves=5
    )
)
def test_json_is_read_back_the_same_and_holds_nothing_unfit(value):
    text = json_text(value, indent=1)
    assert json.dumps(json.loads(text)) == json.dumps(json.loads(json.dumps(value)))
    assert visible(text.replace("\n", "")) == text.replace("\n", "") or not unfit_characters(text)


@pytest.mark.parametrize(
    "text",
    [
        "naïve café, e\u0301 and a\u0302\u0323",
        "日本語 한국어 ｶﾅ “quotes” — dash ≤",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 ❤️\u200d\U0001f525 1\ufe0f\u20e3 \U0001f3f3\ufe0f\u200d\U0001f308",
        "می\u200cخواهم",
        "क्\u200dष and ක්\u200dෂ",
        "葛\U000e0100城",
        "עברית العربية",
        "a\tb\nc",
        "C:\\x1b is text",
    ],
)
def test_what_people_write_stays_as_it_is(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;QQ==\x07", r"\x1b]52;c;QQ==\x07"),
        ("safe\rover", r"safe\rover"),
        ("\x9b2J", r"\x9b2J"),
        ("if x\u202e\u2066:", r"if x\u202e\u2066:"),
        ("pass\u200bword", r"pass\u200bword"),
        ("a\u200db", r"a\u200db"),
        ("\u2028\u2029\ufeff", r"\u2028\u2029\ufeff"),
        ("\U000e0068\U000e0069", r"\U000e0068\U000e0069"),
        ("x\ufe0f\ufe01", r"x\ufe0f\ufe01"),
        ("😀\ufe0f\ufe0f", "😀\ufe0f" + r"\ufe0f"),
        ("\ud800", r"\ud800"),
        ("z" + "\u0301" * 6, "z" + "\u0301" * 4 + r"\u0301\u0301"),
        ("\u3164\u115f\u00ad", r"\u3164\u115f\xad"),
    ],
)
def test_what_acts_or_hides_is_written_out(text, shown):
    assert visible(text) == shown


def test_a_line_keeps_what_would_leave_it():
    assert visible_line("id\nwinnow: done\tx") == r"id\nwinnow: done\tx"


PATCH = """diff --git a/src/a.py b/src/a.py
--- a/src/a.py
+++ b/src/a.py
@@ -1,2 +1,3 @@
 one
---- b/forged.py
+++ b/forged.py\u202e
+\x1b[2J
diff --git a/b.txt b/b.txt
--- a/b.txt
+++ b/b.txt
@@ -1 +1 @@
-a\r
+b\r
"""


def test_a_patch_is_warned_of_by_file_and_character():
    said = patch_warning(PATCH)
    assert "U+202E RIGHT-TO-LEFT OVERRIDE in src/a.py" in said and "U+001B ESCAPE in src/a.py" in said
    assert "forged" not in said and "b.txt" not in said and not unfit_characters(said) and "\n" not in said
    assert patch_warning(PATCH.replace("\u202e", "").replace("\x1b", "")) == ""
    assert "U+000D CARRIAGE RETURN in b.txt" in patch_warning(PATCH.replace("+b\r", "+b\rc"))
