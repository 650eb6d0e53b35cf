"""Tool calls in plain text: whatever can be written is read back, and what cannot be read is said."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.blocks import ReplyError
from agent.tool_text import read_call, write_call
from agent.tools import TOOLS, Call

NAMES = tuple(TOOLS)


def read(reply):
    return read_call(reply, NAMES)


line = st.one_of(
    st.text(alphabet="ab `\\=\"'$\u00e9", max_size=12),
    st.sampled_from(
        [
            "```",
            "````",
            "```bash",
            "===== FIND",
            "===== REPLACE",
            "\\===== FIND",
            "</think>",
            "<think>",
            "",
            " ",
        ]
    ),
)
lines = st.lists(line, min_size=1, max_size=6)
whole = lines.map(lambda each: "\n".join(each) + "\n")
path = st.text(alphabet="ab /-._'\"\\$\u00e9", min_size=1, max_size=12)


@st.composite
def calls(draw):
    match draw(st.sampled_from(NAMES)):
        case "bash":
            return Call("bash", {"command": "\n".join(draw(lines))})
        case "view":
            numbers = dict(
                zip(("start", "end"), draw(st.lists(st.integers(0, 99), max_size=2)), strict=False)
            )
            return Call("view", {"path": draw(path), **numbers})
        case "create":
            return Call("create", {"path": draw(path), "text": draw(st.one_of(st.just(""), whole))})
        case "replace":
            new = draw(st.one_of(st.just(""), lines.map("\n".join)))
            find = "\n".join(draw(lines)) + ("" if new else "\n")
            return Call("replace", {"path": draw(path), "find": find, "replace": new})
        case "insert":
            return Call("insert", {"path": draw(path), "line": draw(st.integers(0, 99)), "text": draw(whole)})
        case "undo":
            return Call("undo", {"path": draw(path)})
        case "search":
            more = dict(zip(("path", "files"), draw(st.lists(path, max_size=2)), strict=False))
            return Call("search", {"pattern": draw(line), **more})
        case _:
            return Call(
                "submit", {"scratch": tuple(draw(st.lists(st.sampled_from(["a b.py", "x"]), max_size=2)))}
            )


@given(
    calls(),
    st.sampled_from(
        ["", "I look.\n\n", "So:\n```python\nx = 1\n```\nthen\n", "<think>```bash\nno\n```</think>\n"]
    ),
)
@example(Call("create", {"path": "a.md", "text": "```bash\nls\n```\n"}), "")
@example(Call("replace", {"path": "a", "find": "===== REPLACE", "replace": "\\===== FIND"}), "")
def test_what_is_written_is_read_back(call, before):
    # A line that ends a thought drops what stands before it, in replies that begin with one.
    if before.startswith("<think>") or "</think>" not in str(call.arguments):
        assert read(before + write_call(call)) == call
    assert read(write_call(call) + "\n") == call


@given(st.text(alphabet="`ba sh\n=FIND REPLAC\\u", max_size=80))
def test_any_reply_is_a_call_or_an_error(reply):
    try:
        assert read(reply).name in TOOLS
    except ReplyError as error:
        assert str(error)


@pytest.mark.parametrize(
    "reply, words",
    [
        ("I am done.", "no tool block"),
        ("```python\nprint(1)\n```", "no tool block"),
        ("```bash\nls\n```\n\n```bash\npwd\n```", "2 tool blocks in the reply (bash, bash)"),
        ("```bash\nls", "not closed"),
        ("```create a.md\n# A\n```\ncode\n```\nmore\n```", "further fence after the create"),
        ("```create a.md\n# A\n```\ncode\n```\n```", "further fence"),
        ("```bash\nls\n``` and then", "not closed"),
        ("", "no tool block"),
    ],
)
def test_replies_that_are_no_call(reply, words):
    with pytest.raises(ReplyError, match=words.replace("(", r"\(").replace(")", r"\)")):
        read(reply)


@pytest.mark.parametrize(
    "reply, words",
    [
        ("```view\n```", "lacks path"),
        ("```view a.py one\n```", "start must be a whole number"),
        ("```view a b c d\n```", "has 4 words: it takes path start end"),
        ("```insert a.py\nx\n```", "lacks line"),
        ("```replace a.py\nold\n```", "one line `===== FIND`"),
        ("```replace a.py\n===== REPLACE\na\n===== FIND\nb\n```", "one line `===== FIND`"),
        (
            "```replace a.py\n===== FIND\na\n===== REPLACE\nb\n===== FIND\nc\n===== REPLACE\nd\n```",
            "several replies",
        ),
        ("```bash ls\n```", "has 1 words: it takes nothing more"),
    ],
)
def test_calls_that_are_wrong_say_why(reply, words):
    assert words in read(reply).wrong


def test_slips_that_are_understood():
    assert read("```sh\nls\n```").name == "bash"
    assert read("``` bash  \r\nls\r\n```\r\n").arguments == {"command": "ls"}
    assert read("```view 'my file.py' 3\n```").arguments == {"path": "my file.py", "start": 3}
    assert read("```view it's.py\n```").arguments == {"path": "it's.py"}
    assert read("````create a.md\n```bash\nls\n```\n````").arguments["text"] == "```bash\nls\n```\n"
    with pytest.raises(ReplyError, match="no tool 'search' here"):
        read_call("```search\nx\n```", ("bash", "submit"))
