"""The two ways to a screen: standard streams and the console. Neither lets anything raw by, whoever prints."""

import io
import logging
import subprocess
import sys
import warnings

import pytest
from hostile_run import BAD, DRAWING, raw
from rich.segment import Segment
from rich.table import Table

from winnow import shown_streams
from winnow.console import Console, Live, Syntax, Text, indented


def put_in_front(monkeypatch):
    """What is below standard output and error. pytest puts its own there before a test begins."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    shown_streams.install()
    return out, err


def test_whatever_prints_is_made_visible(monkeypatch):
    out, err = put_in_front(monkeypatch)
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    monkeypatch.setattr(logging.getLogger("somebody"), "propagate", False)
    print(BAD)
    sys.stdout.writelines([BAD, "\n"])
    print(BAD, file=sys.stderr)
    warnings.warn(BAD, stacklevel=1)
    logging.getLogger("somebody").warning(BAD)
    shown_streams.say(f"one\ntwo {BAD}")
    shown_streams.say_error(f"one\nwinnow: two {BAD}")
    assert not raw(out.getvalue()) and not raw(err.getvalue())
    assert out.getvalue().count(r"\x1b]52") == 3 and r"one\ntwo" in out.getvalue()
    assert err.getvalue().count(r"\x1b]52") >= 3 and "one\n  winnow: two" in err.getvalue()
    assert not hasattr(sys.stdout, "buffer")
    with pytest.raises(TypeError):
        sys.stdout.write(b"\x1b")


def test_streams_are_put_in_front_once(monkeypatch):
    streams = put_in_front(monkeypatch)
    shown_streams.install()
    print("\x1b")
    assert streams[0].getvalue() == "\\x1b\n" and shown_streams.lowest(sys.stdout) is streams[0]


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_that_rich_draws_is_markup_or_raw(terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=600)
    table = Table(BAD, title=BAD, caption=BAD)
    table.add_row(BAD)
    table.add_row(Text(BAD))
    for shown in (
        BAD,
        table,
        Text(BAD),
        Text().append(BAD),
        Syntax(BAD, "diff"),
        indented(BAD),
    ):
        console.print(shown)
    console.rule(BAD)
    with console.status(BAD) as status:
        status.update(BAD)
    console.out(BAD)
    console.print(BAD, markup=True, emoji=True)

    class Raw:
        def __rich_console__(self, console, options):
            yield Segment(BAD)

    console.print(Raw())
    said = DRAWING.sub("", out.getvalue())
    assert not raw(said) and said.count(r"\x1b]52;c;") >= 12
    assert said.count("[/nope][bold]:smile:") >= 12


def test_a_string_is_one_line_and_a_text_may_have_several():
    out = io.StringIO()
    console = Console(file=out, width=80)
    table = Table(box=None)
    table.add_column("id")
    table.add_row("a\nforged")
    console.print("task a\nforged")
    console.print(table)
    console.print(Text("one\ntwo"))
    console.print(indented("one\nforged"))
    assert [line.strip() for line in out.getvalue().splitlines()].count("forged") == 1
    assert (
        r"task a\nforged" in out.getvalue()
        and "one\ntwo" in out.getvalue()
        and "\n    forged" in out.getvalue()
    )


def test_what_is_printed_above_a_picture_is_made_visible(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    shown_streams.install()
    console = Console(force_terminal=True, color_system=None, width=600)
    with Live(Text(BAD), console=console, auto_refresh=False):
        print(BAD)
    print(BAD)
    said = out.getvalue()
    assert r"\x1b]52;c;" in said and said.count(r"\u202e") >= 3
    assert not raw(said) - set("\x1b\r") and "\x1b]" not in said and "\x1bc" not in said


def test_a_traceback_of_our_own_is_made_visible_too():
    code = (
        "import sys\nfrom winnow import cli\nimport winnow.showing\n"
        f"def broken(*_):\n    raise KeyError({BAD!r} if len(sys.argv) < 9 else 0) from RuntimeError({BAD!r})\n"
        "winnow.showing.list_runs = broken\nsys.argv = ['winnow', 'runs']\ncli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert b"RuntimeError" in done.stderr and rb"\x1b]52" in done.stderr
    assert not raw(done.stderr.decode()) and done.returncode == 1


def test_what_the_encoding_lacks_is_written_out():
    code = "from winnow.shown_streams import install\ninstall()\nprint('caf\\xe9 \\udcff \\x1b')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"},
    )
    assert done.stdout == b"caf\\xe9 \\udcff \\x1b\n", done.stderr


def test_a_line_reaches_whoever_reads_the_pipe_while_the_command_goes_on():
    """`winnow view` prints its address and then serves: a program that waits for it must have it."""
    code = (
        "from winnow.shown_streams import install, say\ninstall()\nsay('here')\nimport sys; sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline() == "here\n"
        process.communicate("")
