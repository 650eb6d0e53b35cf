"""Scripts out of replies, and their runs in copies that are always closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE

from agent import Run, Script, ScriptError, parse_script, run_script
from agent.scripts import script_name
from sandbox import SandboxDied


def reply(text):
    return f"A test:\n<<<<< TEST\n{text}\n>>>>> END\n"


@pytest.mark.parametrize(
    ("first", "interpreter"),
    [
        ("#!/usr/bin/env python3", "python3"),
        ("#!/usr/bin/python3.11", "python3.11"),
        ("#! /bin/sh -e", "sh -e"),
        ("#!/usr/bin/env -S node --no-warnings", "node --no-warnings"),
        ("#!/usr/bin/env LC_ALL=C ruby", "ruby"),
        ("import sys", "python3"),
        ("# a comment", "python3"),
    ],
)
def test_the_first_line_names_the_interpreter(first, interpreter):
    script = parse_script(reply(f"{first}\nx"))
    assert script == Script(interpreter, f"{first}\nx\n")


def test_fences_and_blank_lines_around_the_script_go():
    assert (
        parse_script(reply("```python\n\n#!/usr/bin/env python3\nx\n```")).text
        == "#!/usr/bin/env python3\nx\n"
    )
    assert parse_script(reply("\n#!/bin/sh\nx")).interpreter == "sh"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("print(1)", "no block"),
        (reply(""), "empty"),
        (reply("#!/bin/sh"), "empty"),
        (reply("#!/usr/bin/env\nx"), "names no interpreter"),
        (reply("#!/bin/sh; rm -rf ~\nx"), "names no interpreter"),
        (reply("#!'\nx"), "names no interpreter"),
        (2 * reply("x"), "2 TEST blocks"),
        ("<<<<< TEST\nx", "ends in the middle"),
        ("<<<<< DONE", "no place"),
    ],
)
def test_a_slip_is_named(text, word):
    with pytest.raises(ScriptError, match=word):
        parse_script(text)


@given(st.text())
def test_junk_is_only_ever_a_script_error(text):
    try:
        assert parse_script(reply(text)).text
    except ScriptError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("interpreter", "text", "name"),
    [
        ("python3", "x", "winnow_issue_check.py"),
        ("node", "const a = require('a')\n", "winnow_issue_check.cjs"),
        ("node", "import a from 'a'\n", "winnow_issue_check.mjs"),
        ("bash -e", "x", "winnow_issue_check.sh"),
        ("awk -f", "x", "winnow_issue_check"),
    ],
)
def test_the_file_name_says_the_language(interpreter, text, name):
    assert script_name(Script(interpreter, text)) == name


def sh(text):
    return Script("sh", f"#!/bin/sh\n{text}\n")


async def run(base, script, changed=None, **more):
    return await run_script(
        base, "copy", script, changed or {}, timeout=PATIENCE, normalise=str.upper, **more
    )


async def test_it_runs_at_the_root_on_the_changed_files(make_task, make_base):
    task = make_task({"a.txt": "old\n", "gone file.txt": "x\n", "bin/tool": "#!/bin/sh\necho old\n"})
    base = make_base(task)
    script = sh("cat a.txt 'new/b.txt'; ls gone* 2>/dev/null; bin/tool; exit 2")
    changed = {
        "a.txt": "new\r\n",
        "new/b.txt": "ü",
        "gone file.txt": None,
        "bin/tool": "#!/bin/sh\necho tool\n",
    }
    done = await run(base, script, changed, executable={"bin/tool"})
    assert done == Run(2, "NEW\r\nÜTOOL\n", "exited")
    (copy,) = base.children
    assert copy.closed and copy.name == "copy"


async def test_a_file_whose_name_looks_like_an_option(make_task, make_base):
    base = make_base(make_task({"-rf": "x\n", "keep": "x\n"}))
    assert (await run(base, sh("ls"), {"-rf": None})).output == "KEEP\nWINNOW_ISSUE_CHECK.SH\n"


async def test_a_script_without_an_end_is_stopped(make_task, make_base):
    base = make_base(make_task())
    done = await run_script(base, "copy", sh("exec sleep 3600"), {}, timeout=0.2, normalise=str)
    assert done.ended == "timeout" and done.exit_code == 124 and base.children[0].closed


async def test_an_interpreter_that_is_not_there(make_task, make_base):
    done = await run(make_base(make_task()), Script("no-such-program", "x\n"))
    assert done.exit_code == 127


async def test_sets_have_one_order_and_imports_come_from_the_root(make_task, make_base):
    task = make_task()
    script = Script("python3", "import shop.cart\nprint({'a', 'b', 'c', 'd'})\n")
    base = make_base(task)
    first = await run_script(base, "one", script, {}, timeout=PATIENCE, normalise=str)
    assert (
        first == await run_script(base, "two", script, {}, timeout=PATIENCE, normalise=str)
        and first.exit_code == 0
    )


async def test_a_death_is_the_sandboxs_own_matter(make_task, make_base):
    """Who made the sandbox tries again in a fresh one (tests/winnow/test_journaled.py); here it is not, twice."""
    base = make_base(make_task(), {"copy": SandboxDied("gone")})
    with pytest.raises(SandboxDied):
        await run(base, sh("true"))
    (copy,) = base.children
    assert copy.closed


async def test_a_base_that_is_dead_is_the_worlds_fault(make_task, make_base):
    base = make_base(make_task())

    async def dead(name):
        raise SandboxDied("the base is gone")

    base.copy = dead
    with pytest.raises(SandboxDied, match="base"):
        await run(base, sh("true"))
