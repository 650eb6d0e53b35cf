"""Grammars of replies: what is drawn from one can be read, and what models said in recordings is in it."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from gbnf import Grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import Create, Form, Script, write_block
from agent.blocks import FORMS, ReplyError, read_blocks
from agent.context import _ranking, _summary
from agent.editing import Done, _forms
from agent.editing import _read as read_edit
from agent.grammar import reply_form, tools_form, words_form
from agent.testing import _AGAIN as TEST_AGAIN
from agent.testing import _FIRST as TEST_FIRST
from agent.testing import _read as read_test
from agent.tool_text import read_call, write_call
from agent.tools import TOOLS, Call
from models import Bounds, Message, Request

PATHS = ["src/a.py", 'odd "name"\\.py', "docs/read me.md"]
EDIT_FIRST, EDIT_AGAIN = _forms(())
RELEVANCE = reply_form("RELEVANT", "NOT RELEVANT")
RANKING = reply_form("RANKING", only_lines={"RANKING": PATHS})


def grammar(form, lines=6, columns=12):
    return Grammar(form(Bounds(lines, columns)))


READERS = {
    "test": (grammar(TEST_FIRST), lambda reply: read_test(reply, may_approve=False), (Script,)),
    "test again": (
        grammar(TEST_AGAIN),
        lambda reply: read_test(reply, may_approve=True),
        (Script, type(None)),
    ),
    "edit": (grammar(EDIT_FIRST), lambda reply: read_edit(reply, may_finish=False), (Script, list)),
    "edit again": (
        grammar(EDIT_AGAIN),
        lambda reply: read_edit(reply, may_finish=True),
        (Script, list, Done),
    ),
    "relevance": (grammar(RELEVANCE), _summary, (str,)),
    "ranking": (grammar(RANKING), lambda reply: _ranking(reply, PATHS), (list,)),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False))
def test_what_is_drawn_can_be_read(name, chance):
    drawn, read, kinds = READERS[name]
    reply = drawn.draw(chance)
    assert drawn.accepts(reply)
    assert isinstance(read(reply), kinds), reply


@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False), names=st.sets(st.sampled_from([*TOOLS]), min_size=1))
def test_a_call_that_is_drawn_can_be_read(chance, names):
    reply = grammar(tools_form(names)).draw(chance)
    call = read_call(reply, names)
    assert call.name in names and not call.wrong, reply


@pytest.mark.parametrize("name", [name for name in READERS if name != "ranking"])
@settings(max_examples=60)
@given(
    st.text("<>=# `\nTESTDONENDIT\\/ab", max_size=60), st.sampled_from(["TEST", "DONE", "EDIT a", "RELEVANT"])
)
def test_what_cannot_be_read_is_not_in_it(name, text, block):
    """Around the markers, where readers and grammar could differ."""
    accepted, read, _ = READERS[name]
    for reply in (text, f"<<<<< {block}\n{text}>>>>> END", f"{text}\n<<<<< {block}"):
        try:
            read(reply)
        except ReplyError:
            assert not accepted.accepts(reply), reply


@settings(max_examples=60)
@given(
    st.text('`\n=FIND basheubmitview"1 ', max_size=60),
    st.sampled_from(["bash", "view a", "submit", "replace a"]),
)
def test_a_call_that_cannot_be_read_is_not_in_it(text, tool):
    accepted = grammar(tools_form(TOOLS))
    for reply in (text, f"```{tool}\n{text}```", f"```{tool}\n{text}\n```"):
        try:
            wrong = read_call(reply, [*TOOLS]).wrong
        except ReplyError as error:
            wrong = str(error)
        if wrong:
            assert not accepted.accepts(reply), reply


LONG = grammar(EDIT_AGAIN, 400, 1_000)
NAMES = st.sampled_from(["EDIT", "CREATE", "DELETE"])
PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=80
).filter(lambda line: line[:6] not in ("<<<<< ", ">>>>> ", "===== "))


PATH = st.from_regex(r"[\w./-]{1,60}", fullmatch=True)
EDITS = st.lists(st.tuples(NAMES, PATH, st.lists(PLAIN), st.lists(PLAIN)), min_size=1, max_size=8)


@settings(max_examples=60)
@given(EDITS)
def test_edits_in_plain_form_are_in_it(edits):
    blocks = []
    for name, path, old, new in edits:
        parts = (("FIND", tuple(old)), ("REPLACE", tuple(new))) if name == "EDIT" else (("", tuple(new)),)
        blocks.append(f"<<<<< DELETE {path}" if name == "DELETE" else write_block(name, path, parts))
    for reply in ("\n".join(blocks), "I think so.\n\n  - indented\n\n" + "\n\n".join(blocks) + "\n"):
        assert LONG.accepts(reply), reply


def test_every_tool_as_the_prompt_writes_it():
    accepted = grammar(tools_form(TOOLS), 400, 1_000)
    for call in (
        Call("bash", {"command": "python -m pytest -q tests/test_cart.py 2>&1 | tail -20"}),
        Call("view", {"path": "src/shop/cart.py", "start": 10, "end": 60}),
        Call("view", {"path": "read me.md"}),
        Call("create", {"path": "src/shop/rounding.py", "text": "STEP = 0.01\n"}),
        Call("replace", {"path": "a.py", "find": "    return 1", "replace": "    return 2"}),
        Call("insert", {"path": "a.py", "line": 0, "text": "import decimal\n"}),
        Call("undo", {"path": "a.py"}),
        Call("search", {"pattern": "def total\\(", "path": "src", "files": "*.py"}),
        Call("search", {"pattern": "x"}),
        Call("submit", {"scratch": ("notes.txt",)}),
    ):
        reply = f"I look.\n\n{write_call(call)}\n"
        assert accepted.accepts(reply), reply
        assert read_call(reply, [*TOOLS]).name == call.name


def recorded():
    """(recording, place, reply) of all that ship with Winnow."""
    folder = resources.files("winnow") / "demo_data"
    files = [folder / "recording.json"]
    if (folder / "presets").is_dir():
        files += [file for file in (folder / "presets").iterdir() if file.name.endswith(".json")]
    for file in files:
        for step in json.loads(file.read_text())["steps"]:
            for choice in step["reply"].get("choices", ()):
                yield file.name, step["at"], choice["message"]["content"] or ""


def test_what_models_said_in_recordings_is_in_it():
    """As far as it is plain: nothing after the last block, which is so nearly always."""
    forms = {
        "testing": grammar(TEST_AGAIN, 400, 1_000),
        "editing": LONG,
        "relevance": grammar(RELEVANCE, 400, 1_000),
    }
    said = [(at, reply) for _, at, reply in recorded() if at.split("/")[1] in forms]
    plain = [(at, reply) for at, reply in said if _is_plain(reply)]
    assert len(plain) > 0.9 * len(said) > 5
    for at, reply in plain:
        assert forms[at.split("/")[1]].accepts(reply), (at, reply)


def _is_plain(reply):
    blocks = read_blocks(reply, FORMS)
    last = blocks[-1]
    size = sum(len(lines) + bool(name) for name, lines in last.parts) + 2 if FORMS[last.name].body else 1
    return not "\n".join(reply.split("\n")[last.number - 1 + size :]).strip()


def test_a_form_is_no_part_of_what_is_asked_and_a_grammar_is():
    plain = Request((Message("user", "Hi"),), temperature=0.5)
    formed = Request((Message("user", "Hi"),), temperature=0.5, form=TEST_FIRST)
    forced = Request((Message("user", "Hi"),), temperature=0.5, grammar=TEST_FIRST(Bounds()))
    assert (
        plain.settings()
        == formed.settings()
        == (
            '{"logprobs": null, "max_tokens": null, "n": 1, "seed": null, "stop": [], "temperature": 0.5, "tools": []}'
        )
    )
    assert plain.digests() == formed.digests() != forced.digests()
    assert "grammar" in json.loads(forced.settings())


def test_bounds_bound_everything():
    for form in (TEST_AGAIN, EDIT_AGAIN, RELEVANCE, RANKING, tools_form(TOOLS), words_form("YES", "NO")):
        text = form(Bounds(7, 9))
        assert not any(
            mark in text.replace('"+"', "") for mark in (")*", ")+", "rest*", "rest+", "]*", "]+")
        ), text
    assert "{0,7}" in TEST_FIRST(Bounds(7, 9)) and "{0,9}" in TEST_FIRST(Bounds(7, 9))


@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False))
def test_names_are_those_that_are_known(chance):
    before, _ = _forms([*PATHS, "odd\nname.py", " spaced "])
    edits = grammar(before)
    read = read_edit(edits.draw(chance), may_finish=False)
    if isinstance(read, list):
        assert {edit.path for edit in read if not isinstance(edit, Create)} <= {*PATHS}
    assert not edits.accepts("<<<<< DELETE src/b.py") and edits.accepts("<<<<< DELETE src/a.py")
    many = grammar(reply_form("DELETE", arguments={"DELETE": [f"{i}.py" for i in range(501)]}))
    assert many.accepts("<<<<< DELETE any.py")  # too many to be listed


def test_lines_of_a_part_are_those_that_are_known():
    forms = {"FAULT": Form(dividers=("PLACES", "CHANGE"), content="said")}
    places = grammar(reply_form("FAULT", forms=forms, line_heads={"PLACES": PATHS}))

    def reply(place):
        return f"<<<<< FAULT\n===== PLACES\n{place}\n===== CHANGE\nMore.\n>>>>> END"

    assert places.accepts(reply("src/a.py: total")) and places.accepts(reply("src/a.py\ndocs/read me.md"))
    assert not places.accepts(reply("src/b.py: x")) and not places.accepts(reply("src/a.pyx"))
