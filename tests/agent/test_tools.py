"""The tools in a real sandbox: what they give, how they bound it, what they refuse, and that errors can be mended."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from waiting import PATIENCE

from agent import normalise
from agent.tools import TOOLS, Call, ToolError, Workplace, chosen, perform, schemas
from agent.tools.editing import decoded, encoded, inserted, replaced
from agent.tools.table import read_arguments
from sandbox import Limits, open_backend

FILES = {
    "shop/cart.py": "class Cart:\n    def total(self):\n        return 1\n\n    def count(self):\n        return 1\n",
    "shop/win.txt": "one\r\ntwo\r\n",
    "shop/latin.txt": b"caf\xe9\nbar\n",
    "bin/run.sh": "#!/bin/sh\necho hi\n",
    "data.bin": b"\x00\x01",
    "long.txt": "".join(f"line {i}\n" for i in range(1, 5001)),
    "a dir/-x y.txt": "x\n",
    ".gitignore": "*.log\n",
}


@pytest.fixture
async def work(make_task, tmp_path):
    task = make_task(FILES, at="/home/dev/shop")
    backend = open_backend("overlay", run=f"tools-{tmp_path.name}", state=tmp_path / "state")
    sandbox = await backend.start(task.world(), name="base", limits=Limits())
    yield Workplace(
        sandbox, "/home/dev/shop", lambda text: normalise(text, "/home/dev/shop"), PATIENCE, 2_000
    )
    await backend.close()


async def do(work, name, **arguments):
    return await perform(
        work, read_arguments(name, json.dumps(arguments), chosen(("bash", "editor", "search")))
    )


async def content(work, path):
    return await work.sandbox.read(path)


@pytest.mark.overlay
async def test_bash(work):
    assert await do(work, "bash", command="pwd; cd /; echo 'a b' >&2; exit 3") == ".\na b\n[exit code 3]"
    assert await do(work, "bash", command="pwd; [[ a == a ]] && true") == ".\n[exit code 0]"
    assert await do(work, "bash", command="true") == "(no output)\n[exit code 0]"
    assert (await do(work, "bash", command='echo "it\'s" \'a "b"\' $((1+1)) `echo x`')).startswith(
        'it\'s a "b" 2 x'
    )
    long = await do(work, "bash", command="seq 100000")
    assert len(long) < 2_100 and long.startswith("1\n") and "100000\n[exit code 0]" in long
    assert "left out here" in long
    assert "begun" in await do(work, "bash", command="echo begun; cat <<'E'\n$HOME\nE")
    work.timeout = 2.0
    assert "stopped after 2 seconds" in await do(work, "bash", command="sleep 3600")


async def test_a_command_that_no_shell_takes_is_an_error():
    for command in ("", "  \n", "echo a\0b", "x" * 200_000):
        said = await do(Workplace(None, "/", str), "bash", command=command)
        assert said.startswith("Error: The command ")


@pytest.mark.overlay
async def test_view(work):
    assert await do(work, "view", path="shop/cart.py", start=2, end=3) == (
        "     2\t    def total(self):\n     3\t        return 1"
    )
    whole = await do(work, "view", path="./shop/cart.py")
    assert whole.count("\n") == 5 and "not shown" not in whole
    assert "view them by another start" in await do(work, "view", path="long.txt")
    assert (await do(work, "view", path="long.txt", start=4999, end=9000)).endswith("line 5000")
    assert "CRLF" in await do(work, "view", path="shop/win.txt")
    assert "caf?" in await do(work, "view", path="shop/latin.txt")
    assert "1\tx" in await do(work, "view", path="a dir/-x y.txt")
    listing = await do(work, "view", path=".")
    assert "shop/\nshop/cart.py" in listing and ".git/" not in listing
    assert "shop/cart.py" in await do(work, "view", path="/home/dev/shop/shop")


REFUSED = (
    ("shop/none.py", "does not exist"),
    ("data.bin", "binary"),
    ("../x", "leads out"),
    ("shop/../../x", "leads out"),
    ("/etc/passwd", "outside"),
    ("~/x", "outside"),
    ("/home/dev/shopping/x", "outside"),
    (".git/config", "git's own"),
    ("shop/../.GIT/config", "git's own"),
    ("out/passwd", "a link that leads out"),
    ("deep/link", "broken link"),
    ("deep/absolute", "a link that leads out"),
    ("own/config", "git's own"),
    ("broken", "broken link"),
    ("shop/cart.py/x", "part of the path is a file"),
    ("pipe", "no file and no folder"),
    ("", "Say a path"),
    ("a\nb", "Say a path"),
)


@pytest.mark.overlay
async def test_paths_that_are_refused(work):
    await work.sandbox.run(
        "ln -s /etc out; mkdir deep; ln -s ../../x/../../../etc/passwd deep/link; ln -s .git own; ln -s no broken; "
        "ln -s /etc/passwd deep/absolute; mkfifo pipe"
    )
    for path, words in REFUSED:
        for name, more in (("view", {}), ("create", {"text": "x"}), ("undo", {})):
            said = await do(work, name, path=path, **more)
            if path == "shop/none.py" and name != "view":
                continue
            fine = {"view": (words,), "create": (words, "exists"), "undo": (words, "could be taken back")}[
                name
            ]
            assert said.startswith("Error: ") and any(each in said for each in fine), (path, name, said)


@pytest.mark.overlay
async def test_nothing_is_written_outside_through_a_link(work):
    await work.sandbox.run("ln -s /tmp out; mkdir -p /tmp/x")
    for path in ("out/x/y.txt", "out/new", "out/a/b/c"):
        assert "leads out" in await do(work, "create", path=path, text="x")
    assert (await work.sandbox.run("ls /tmp/x /tmp/new /tmp/a")).output.count("No such file") == 2


@pytest.mark.overlay
async def test_editing_and_taking_it_back(work):
    at = "shop/cart.py"
    old = await content(work, at)
    assert "stands 2 times in shop/cart.py, beginning on lines 3, 6" in await do(
        work, "replace", path=at, find="        return 1\n", replace="x"
    )
    assert "The nearest lines are:" in await do(work, "replace", path=at, find="def total(me):", replace="x")
    said = await do(
        work,
        "replace",
        path=at,
        find="def total(self):\n        return 1",
        replace="def total(self):\n        return 2",
    )
    assert "     3\t        return 2" in said
    assert "Created" in await do(work, "create", path="new dir/deep/ü.py", text="x = 1\n")
    assert "exists" in await do(work, "create", path=at, text="x")
    assert "a folder" in await do(work, "create", path="shop", text="x")
    await do(work, "insert", path=at, line=0, text="import os")
    assert (await content(work, at)).startswith(b"import os\nclass Cart:\n")
    assert "has 7 lines" in await do(work, "insert", path=at, line=99, text="x")
    assert "as it was" in await do(work, "undo", path=at)
    assert "as it was" in await do(work, "undo", path=at)
    assert await content(work, at) == old
    assert "nothing in shop/cart.py" in await do(work, "undo", path=at)
    assert "removed again" in await do(work, "undo", path="new dir/deep/ü.py")
    assert "does not exist" in await do(work, "view", path="new dir/deep/ü.py")


@pytest.mark.overlay
async def test_undo_does_not_destroy_what_something_else_wrote(work):
    await do(work, "replace", path="long.txt", find="line 7\n", replace="seven\n")
    await do(work, "bash", command="echo more >> long.txt")
    assert "changed by something else" in await do(work, "undo", path="long.txt")
    assert (await content(work, "long.txt")).endswith(b"more\n")


@pytest.mark.overlay
async def test_bytes_line_ends_and_modes_stay(work):
    await do(work, "replace", path="shop/win.txt", find="one\ntwo", replace="one\n1.5\ntwo")
    assert await content(work, "shop/win.txt") == b"one\r\n1.5\r\ntwo\r\n"
    await do(work, "replace", path="shop/latin.txt", find="bar", replace="bär")
    assert await content(work, "shop/latin.txt") == "b\u00e4r\n".encode().join([b"caf\xe9\n", b""])
    await do(work, "replace", path="bin/run.sh", find="hi", replace="ho")
    assert (await work.sandbox.run("bin/run.sh")).output == "ho\n"
    await do(work, "undo", path="bin/run.sh")
    assert (await work.sandbox.run("bin/run.sh")).output == "hi\n"


@pytest.mark.overlay
async def test_search(work):
    await work.sandbox.run(
        "echo 'def total' > x.log; echo 'def total' > new.py; printf 'def total\\n' > '-e.py'"
    )
    found = await do(work, "search", pattern=r"def \w+\(self\)")
    assert found == "shop/cart.py:2:    def total(self):\nshop/cart.py:5:    def count(self):"
    assert (await do(work, "search", pattern="def total", files="*.py")).splitlines() == [
        "-e.py:1:def total",
        "new.py:1:def total",
        "shop/cart.py:2:    def total(self):",
    ]
    assert await do(work, "search", pattern="x", path="a dir/-x y.txt") == "a dir/-x y.txt:1:x"
    assert await do(work, "search", pattern="nowhere") == "No line matches."
    assert "more than 100" in await do(work, "search", pattern="line")
    assert "cannot be searched for" in await do(work, "search", pattern="(")
    assert "does not exist" in await do(work, "search", pattern="x", path="none")
    await work.sandbox.run("rm -rf .git")
    assert (await do(work, "search", pattern="def (total|count)", path="shop")).count("\n") == 1


@pytest.mark.overlay
async def test_submit_notes_scratch_files_inside_the_repository(work):
    await do(work, "submit", scratch=["./try.py", "shop/../x y"])
    assert work.submitted == ("try.py", "x y")
    assert "leads out" in await do(work, "submit", scratch=["../x"])


def test_schemas_are_in_one_order_and_strict():
    names = chosen({"search", "editor", "bash"})
    assert names == tuple(TOOLS)
    assert [s["function"]["name"] for s in schemas(set(names))] == list(names)
    assert chosen(["bash"]) == ("bash", "submit")
    json.dumps(schemas(names))


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("delete", "{}", "no tool 'delete'"),
        ("search", '{"pattern": "x"}', "no tool 'search'"),
        ("bash", "{", "no JSON"),
        ("bash", "[" * 50_000, "no JSON"),
        ("bash", "[]", "JSON object"),
        ("bash", "{}", "lacks command"),
        ("bash", '{"command": 1}', "command must be a text"),
        ("bash", '{"command": "ls", "cwd": "/"}', "no argument 'cwd'"),
        ("view", '{"path": "a", "start": "one"}', "whole number"),
        ("view", '{"path": "a", "start": 1e999}', "whole number"),
        ("view", '{"path": "a", "start": true}', "whole number"),
        ("submit", '{"scratch": [1]}', "list of texts"),
    ],
)
def test_wrong_arguments_are_said(name, text, words):
    assert words in read_arguments(name, text, ("bash", "view", "submit")).wrong


def test_what_models_write_for_kinds_is_understood():
    assert read_arguments("view", '{"path": "a", "start": "7", "end": null}', TOOLS).arguments == {
        "path": "a",
        "start": 7,
    }
    assert read_arguments("submit", '{"scratch": "a.py"}', TOOLS).arguments == {"scratch": ("a.py",)}
    assert read_arguments("submit", "", TOOLS).wrong == ""
    assert read_arguments("bash", '{"command": "a\tb\nc \\ud800"}', TOOLS).arguments == {
        "command": "a\tb\nc ?"
    }


async def test_a_wrong_call_is_an_answer_not_a_crash():
    assert await perform(None, Call("bash", wrong="no")) == "Error: no"


# Texts of few letters, so that parts repeat and overlap.
text = st.text(alphabet="ab \n\r\u00e9\udce9", max_size=30)


@given(before=text, find=text, after=text, new=text)
@example("", "aa", "a", "b")
def test_replace_changes_one_place_or_says_why(before, find, after, new):
    whole = before + find + after
    try:
        changed, line = replaced(whole, find, new, "f")
    except ToolError as error:
        places = {i for i in range(len(whole)) if whole.startswith(find, i)}
        assert not find or find == new or len(places) != 1 or "\r\n" in whole, error
        return
    assert (changed, line) == (before + new + after, before.count("\n") + 1)


@given(
    lines=st.lists(st.sampled_from(["a", "b", "", "c d"])), end=st.booleans(), at=st.integers(-1, 6), new=text
)
@example(["a"], False, 1, "\n")
def test_insert_puts_whole_lines_between_whole_lines(lines, end, at, new):
    old = "\n".join(lines) + ("\n" if end and lines else "")
    there = old.removesuffix("\n").split("\n") if old else []
    try:
        changed, line = inserted(old, at, new, "f")
    except ToolError:
        assert not new or not 0 <= at <= len(there)
        return
    assert line == at + 1
    added = new.replace("\r\n", "\n").removesuffix("\n").split("\n")
    assert (
        changed.removesuffix("\n").split("\n")[: len(there) + len(added)] == there[:at] + added + there[at:]
    )


@given(st.binary(max_size=60))
def test_bytes_come_back_as_they_were(content):
    if b"\0" not in content:
        assert encoded(decoded(content, "f")) == content


edits = st.lists(
    st.tuples(
        st.sampled_from(["a.txt", "sub/b.txt", "new.txt"]),
        st.sampled_from(["replace", "insert", "create"]),
        st.integers(0, 3),
        st.text(alphabet="xy\n\r\u00e9", min_size=1, max_size=6),
    ),
    max_size=8,
)


@settings(max_examples=20)
@given(edits)
async def test_undoing_everything_gives_back_every_file(make_folder, edits):
    """Whatever the edits were, and whichever of them were refused; the files are then byte for byte what they were."""
    folder = make_folder({"a.txt": b"x\r\ny\r\n", "sub/b.txt": b"one\n\xe9"})
    work = Workplace(folder, str(folder.folder), str)
    done = []
    for path, name, number, text in edits:
        more = {"create": {"text": text}, "insert": {"line": number, "text": text}}.get(
            name, {"find": "xyoneé"[number], "replace": text}
        )
        said = await do(work, name, path=path, **more)
        done += [] if said.startswith("Error") else [path]
    for path in reversed(done):
        assert not (await do(work, "undo", path=path)).startswith("Error")
    now = {str(p.relative_to(folder.folder)): p.read_bytes() for p in folder.folder.rglob("*") if p.is_file()}
    assert now == {"a.txt": b"x\r\ny\r\n", "sub/b.txt": b"one\n\xe9"}
