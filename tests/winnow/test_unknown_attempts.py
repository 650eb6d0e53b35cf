"""What is shown while nobody knows how many attempts there will be."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from winnow.batch_issues import IssueEnding, IssueState, Stage
from winnow.live_picture import IssueLine, Picture
from winnow.progress import Progress

LINES = {
    "working": (IssueState(Stage.ATTEMPTS), 3),
    "choosing": (IssueState(Stage.SELECTION), 5),
    "over": (IssueState(Stage.OVER, ending=IssueEnding.CHOSEN, chosen="attempt-1"), 7),
}


def words(auto: bool) -> dict[str, list[str]]:
    """What the picture shows of each issue."""
    lines = {name: IssueLine(name, state, Counter(finished=n)) for name, (state, n) in LINES.items()}
    console = Console(file=io.StringIO(), width=200)
    console.print(Picture(lines, 10, auto=auto).render())
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    return {row[0]: row[1:] for row in rows if row and row[0] in LINES}


def test_of_issues_at_work_it_is_at_most_so_many_and_of_others_what_they_were():
    auto, fixed = words(True), words(False)
    assert "3/≤10" in auto["working"] and "5" in auto["choosing"] and "7" in auto["over"]
    assert "3/10" in fixed["working"] and "5/10" in fixed["choosing"] and "7/10" in fixed["over"]


@pytest.mark.parametrize(("auto", "word"), [(True, "at most"), (False, "about")])
def test_the_time_that_is_left_is_a_bound_and_gone_once_no_more_are_made(auto, word):
    progress = Progress(Console(file=io.StringIO(), width=200), 10, auto=auto)
    progress.stage("t", Stage.ATTEMPTS)
    assert "left" not in progress._headline()
    progress.ended("t", "attempt-1", "finished")
    assert f"({word} " in progress._headline()
    progress.stage("t", Stage.SELECTION)
    assert "left" not in progress._headline()
