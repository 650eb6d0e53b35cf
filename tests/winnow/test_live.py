"""The live views of one issue and of many, whatever names and sentences come in, at any width."""

from __future__ import annotations

import io
import re
from collections import Counter

import pytest
from rich.cells import cell_len
from rich.console import Console

from store import Key, Step
from winnow.batch_issues import IssueEnding, IssueState, Stage, over
from winnow.live import BatchView
from winnow.live_picture import IssueLine
from winnow.progress import Progress

HOSTILE = {
    "markup": "[red]not red[/bold]",
    "long": "long-" * 60,
    "newline": "first\nsecond\rthird",
    "escape": "\x1b[2J\x1b]0;title\x07",
    "surrogate": "caf\udce9",
    "wide": "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 40,
    "empty": "",
}
MOVES = re.compile(r"\x1b(?!\[[0-9;]*m)|[\r\x07]")
"""What moves a cursor or talks to the terminal, but for colours."""


def shown(picture, width: int) -> list[str]:
    """The lines of a picture on a terminal with colours, none wider than it, none that does anything but colour."""
    console = Console(
        file=io.StringIO(), width=width, height=30, force_terminal=True, color_system="truecolor"
    )
    console.print(picture)
    written = console.file.getvalue()
    written.encode()
    assert not MOVES.search(written)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", written).splitlines()
    assert max(cell_len(line) for line in lines) <= width
    return lines


def terminal(width: int = 100, height: int = 30) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True)


def asked(trajectory: str, branch: str = "edit") -> Step:
    return Step(
        Key(trajectory, branch, 0), "ask", (), "{}", prompt_tokens=1000, completion_tokens=234, cost=0.5
    )


@pytest.mark.parametrize("width", [60, 200])
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_one_issue_is_shown_whatever_its_trajectories_are_called_and_say(name, width):
    progress = Progress(terminal(), 3)
    progress.stage("t", Stage.ATTEMPTS)
    progress.observe("t")(asked(name, name), True)
    progress.observe("t")(asked("attempt-2"), True)
    progress.ended("t", "attempt-2", name)
    lines = shown(progress.picture(), width)
    assert sum("1,234" in line for line in lines) == 2  # each trajectory has one row of its own
    assert sum("attempt-2" in line for line in lines) == 1
    if name == HOSTILE["markup"] and width == 200:
        assert sum(name in line for line in lines) == 2


@pytest.mark.parametrize("width", [60, 200])
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_many_issues_are_shown_whatever_they_are_called_and_say(name, width):
    said = over(IssueEnding.BUILD_FAILED, name or "nothing said")
    lines = {
        name: IssueLine(name, IssueState(Stage.ATTEMPTS), Counter(finished=1), calls=41),
        "plain-1": IssueLine("plain-1", said, calls=42),
    }
    view = BatchView(terminal(), lines, 3)
    view.observe(name)(asked("attempt-1"), True)
    found = shown(view.picture().render(30), width)
    assert sum("$0.5000" in line for line in found) == 2  # the totals, and the issue's one row
    assert "1 build failed, 1 attempts" in found  # on a line of its own
    assert sum("plain-1"[:4] == line[:4] and " 42 " in line for line in found) == 1 or width == 60


@pytest.mark.parametrize(
    "make", [lambda c: Progress(c, 3), lambda c: BatchView(c, {}, 3)], ids=["one", "many"]
)
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_sentences_say_what_they_say_and_nothing_to_the_terminal(make, name):
    console = Console(file=io.StringIO(), width=80)  # no terminal: plain lines, none of them folded
    view = make(console)
    with view:
        view.tell(f"said: {name}")
    written = console.file.getvalue()
    written.encode()
    assert "\x1b" not in written and "\x07" not in written
    if name in (HOSTILE["markup"], HOSTILE["long"]):
        assert written == f"said: {name}\n"


def test_on_a_terminal_the_picture_comes_and_goes_and_sentences_stay():
    console = terminal()
    progress = Progress(console, 2)
    with progress:
        progress.stage("t", Stage.ATTEMPTS)
        progress.observe("t")(asked("attempt-1"), True)
        progress.ended("t", "attempt-1", "finished")
    before = console.file.getvalue()
    assert "1 of 2 attempts ended" in before and "attempt-1: finished (1 calls, 0 executions)" in before
    progress.tell("afterwards")
    assert console.file.getvalue().count("attempts ended") == before.count("attempts ended")


def test_quiet_is_quiet():
    console = terminal()
    with Progress(console, 2, quiet=True) as progress:
        progress.stage("t", Stage.ATTEMPTS)
        progress.tell("a sentence")
        progress.ended("t", "attempt-1", "finished")
    assert console.file.getvalue() == ""


def test_trajectories_at_work_are_seen_however_many_have_ended():
    progress = Progress(terminal(height=20), 100)
    for number in range(1, 101):
        progress.observe("t")(asked(f"attempt-{number}"), True)
        if number != 99:
            progress.ended("t", f"attempt-{number}", "finished")
    lines = shown(progress.picture(), 100)
    assert len(lines) <= 20
    assert any("attempt-99 " in line and "asked about edit" in line for line in lines)
    [more] = [line for line in lines if line.startswith("... and ")]
    assert more == f"... and {100 - sum('attempt-' in line for line in lines)} more that ended"
