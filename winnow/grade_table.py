"""What a person reads of grades: a line for each as it comes, then the table, the totals and what needs a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from rich.table import Table

from environments import Grade
from environments.grading import Word

from .console import Console, Text
from .grade_official import Comparison

Grades = Mapping[tuple[str, str], Grade]
"""Grades by (task, candidate)."""
_MARKS = {
    "resolved": ("yes", "green"),
    "partially": ("part", ""),
    "not resolved": ("no", ""),
    "broken": ("broken", "red"),
    "did not apply": ("no patch", ""),
    "could not be graded": ("?", "yellow"),
}
_HEADS = ("resolved", "strict", "partly", "not", "broken", "no patch", "?")
_SHOWN = 20  # sentences of one kind that are printed


def line(task: str, candidate: str, grade: Grade) -> str:
    """One grade as a line of plain text."""
    why = f": {grade.reason}" if grade.reason else ""
    return f"{task} {candidate}: {grade.verdict}{why} ({grade.seconds:.1f} s)"


def print_grades(console: Console, grades: Grades) -> None:
    """The table (a row for each task), totals by candidate, and what differs, is flaky or could not be graded."""
    if not grades:
        console.print("nothing was graded")
        return
    names = list(dict.fromkeys(name for _, name in grades))
    if _fits(console, grades, names):
        console.print(_by_task(grades, names))
        console.print()
    console.print(_totals(grades, names))
    console.print()
    _print_notes(console, grades)


def print_flags(console: Console, flags: Mapping[tuple[str, str], list[str]]) -> None:
    """What the audit found: what to look at, by flag."""
    for flag in sorted({flag for found in flags.values() for flag in found}):
        names = [f"{task} {name}" for (task, name), found in flags.items() if flag in found]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        sentence = f"audit: {flag}: {', '.join(names[:_SHOWN])}{more}"
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def print_comparison(console: Console, compared: Sequence[Comparison]) -> None:
    """How the official harness's verdicts stand beside ours; every difference by name."""
    said = [each for each in compared if each.official is not None and each.ours is not None]
    same = sum(each.ours == each.official for each in said)
    silent = len(compared) - len(said)
    more = f"; {silent} more have no verdict there or here" if silent else ""
    console.print(f"official harness: {same} of {len(said)} verdicts are ours too{more}", highlight=False)
    for each in said:
        if each.ours != each.official:
            theirs, ours = ("resolved" if word else "not resolved" for word in (each.official, each.ours))
            sentence = f"  {each.task} {each.candidate}: {theirs} there, {ours} here"
            console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def totals(grades: Grades) -> dict[str, int]:
    """How many grades there are of each verdict."""
    counted = Counter(grade.verdict for grade in grades.values())
    return {word: counted[word] for word in get_args(Word)}


def _fits(console: Console, grades: Grades, names: list[str]) -> bool:
    """Whether a column for each candidate can be read here."""
    longest = max(len(task) for task, _ in grades)
    return longest + sum(2 + max(len(name), 8) for name in names) <= console.width


def _by_task(grades: Grades, names: list[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("task", overflow="fold")
    for name in names:
        table.add_column(name, overflow="fold")
    for task in dict.fromkeys(task for task, _ in grades):
        cells = (grades.get((task, name)) for name in names)
        table.add_row(task, *("" if grade is None else _cell(grade) for grade in cells))
    return table


def _cell(grade: Grade) -> Text:
    mark = Text().append(*_MARKS[grade.verdict])
    return mark.append(" !") if grade.differs else mark


def _totals(grades: Grades, names: list[str]) -> Table:
    """strict: resolved without changes to test machinery too."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("candidate", overflow="fold", min_width=min(22, max(len(name) for name in names)))
    for word in _HEADS:
        table.add_column(word, justify="right")
    for name in names:
        own = {key: grade for key, grade in grades.items() if key[1] == name}
        strict = sum(grade.without_machinery.resolved for grade in own.values())
        resolved, *others = totals(own).values()
        table.add_row(name, *(str(count) for count in (resolved, strict, *others)))
    return table


def _print_notes(console: Console, grades: Grades) -> None:
    notes = {
        "could not be graded": [
            f"{task} {name}: {grade.reason}"
            for (task, name), grade in grades.items()
            if grade.verdict == "could not be graded"
        ],
        "other verdict without its changes to test machinery (!)": [
            f"{task} {name}: {grade.without_machinery.verdict} without {', '.join(grade.machinery)}"
            for (task, name), grade in grades.items()
            if grade.differs
        ],
        "flaky: not the same in every repeat": [
            f"{task} {name}: {', '.join(grade.flaky[:5])}"
            for (task, name), grade in grades.items()
            if grade.flaky
        ],
    }
    for what, sentences in notes.items():
        if not sentences:
            continue
        console.print(f"{len(sentences)} {what}", style="yellow", highlight=False)
        for sentence in dict.fromkeys(sentences[:_SHOWN]):
            console.print(f"  {sentence}", highlight=False, markup=False, soft_wrap=True)
        if len(sentences) > _SHOWN:
            console.print(f"  and {len(sentences) - _SHOWN} more")
