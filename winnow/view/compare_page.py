"""Two runs side by side: which issues came out otherwise, and where trajectories of the same name part."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from store import Outlined, Reader, RunRow, StoreError, Totals

from ..attempts import is_attempt, model_of
from .board import Row, board, config_of
from .memory import Memory, total
from .paging import page_asked
from .table import SHOWS
from .trajectory_page import page_at
from .turns import ASKS, spans

PAGE = 100
Change = Literal["gained", "lost", "same", "other", "only in A", "only in B"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs. right: issues whose choice resolves them, None where nothing is graded."""

    row: RunRow
    model: str
    preset: str
    issues: int
    chosen: int
    right: int | None
    spent: Totals


@dataclass(frozen=True, slots=True)
class Pair:
    """One issue in both. change: from A to B, of being resolved (of having a choice, where either is not graded)."""

    task: str
    first: Row | None
    second: Row | None
    change: Change


@dataclass(frozen=True, slots=True)
class ComparePage:
    """runs: to choose from. asked: names of the two by "a" and "b". first, second: None while they are not chosen.

    by: what "gained" and "lost" are of.
    """

    runs: tuple[RunRow, ...]
    asked: Mapping[str, str]
    first: Side | None
    second: Side | None
    by: str
    counts: Mapping[str, int]
    pairs: tuple[Pair, ...]
    show: str
    search: str
    found: int
    page: int
    pages: int

    def query(self, page: int) -> str:
        """The URL's query for another page of this."""
        return "?" + urlencode({**self.asked, "show": self.show, "q": self.search, "page": page})


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two trajectories of one name part. same: steps that they have in common, of `first` and `second` in each.

    how: a sentence, "" where they do not part; at_first, at_second: turn of that step and the page that it is on,
    None where one has no such step.
    """

    name: str
    first: int
    second: int
    same: int
    how: str
    at_first: tuple[int, int] | None
    at_second: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ParticularPage:
    """One issue of two runs."""

    first: RunRow
    second: RunRow
    task: str
    rows: tuple[Row | None, Row | None]
    partings: tuple[Parting, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare_page(memory: Memory, query: Mapping[str, str]) -> ComparePage:
    """What the URL asks for. Raises NoSuchRun."""
    runs = tuple(reversed(memory.reader.runs()))
    asked = {name: query.get(name, "") for name in ("a", "b")}
    show = query.get("show", "") if query.get("show") in SHOWS else ""
    search = query.get("q", "").strip()[:200]
    if not all(asked.values()):
        return ComparePage(runs, asked, None, None, "", {}, (), show, search, 0, 1, 1)
    rows = [memory.reader.run(name) for name in asked.values()]
    asked = {name: row.run for name, row in zip(asked, rows, strict=True)}
    boards = [board(memory, row.run, config_of(row.config)) for row in rows]
    graded = all(each.graded for each in boards)
    firsts, seconds = ({row.task: row for row in each.rows} for each in boards)
    pairs = [
        Pair(task, firsts.get(task), seconds.get(task), _change(firsts.get(task), seconds.get(task), graded))
        for task in {**firsts, **seconds}
    ]
    counts = Counter(pair.change for pair in pairs)
    wanted = {"flipped": ("gained", "lost"), "gained": ("gained",), "lost": ("lost",)}.get(show)
    pairs = [
        pair
        for pair in pairs
        if (wanted is None or pair.change in wanted)
        and all(w in pair.task.lower() for w in search.lower().split())
    ]
    pages = max(1, -(-len(pairs) // PAGE))
    page = min(pages, page_asked(query))
    sides = [
        Side(
            row,
            model_of(config_of(row.config)),
            str(config_of(row.config).get("preset") or ""),
            len(each.rows),
            sum(bool(line.chosen) for line in each.rows),
            sum(line.chosen_right is True for line in each.rows) if each.graded else None,
            total(memory.sums(row.run)),
        )
        for row, each in zip(rows, boards, strict=True)
    ]
    return ComparePage(
        runs,
        asked,
        sides[0],
        sides[1],
        "resolved" if graded else "having a choice",
        dict(counts),
        tuple(pairs[(page - 1) * PAGE : page * PAGE]),
        show,
        search,
        len(pairs),
        page,
        pages,
    )


def particular_page(memory: Memory, query: Mapping[str, str]) -> ParticularPage:
    """One issue in two runs. Raises NoSuchRun, and StoreError where neither has it."""
    reader, task = memory.reader, query.get("task", "")
    first, second = reader.run(query.get("a", "")), reader.run(query.get("b", ""))
    rows = tuple(
        next((row for row in board(memory, run.run, config_of(run.config)).rows if row.task == task), None)
        for run in (first, second)
    )
    if rows == (None, None):
        raise StoreError(f"Neither run {first.run} nor run {second.run} has a task {task!r}")
    names = [
        _names(reader, run.run, task) if row else [] for run, row in zip((first, second), rows, strict=True)
    ]
    both = [name for name in names[0] if name in names[1]]
    return ParticularPage(
        first,
        second,
        task,
        (rows[0], rows[1]),
        tuple(parting(reader, first.run, second.run, task, name) for name in both),
        tuple(name for name in names[0] if name not in both),
        tuple(name for name in names[1] if name not in both),
    )


def parting(reader: Reader, first: str, second: str, task: str, name: str) -> Parting:
    """Where a trajectory of two runs parts. Steps are compared by their keys, in the first run's order of writing."""
    ours, theirs = reader.outline(first, task, name), reader.outline(second, task, name)
    by_key = {step.key: step for step in theirs}
    answers = reader.answers([step.number for step in (*ours, *theirs)])
    here, there = _places(ours), _places(theirs)
    same = 0
    for step in ours:
        other = by_key.get(step.key)
        how = "" if other is None else _difference(step, other, answers)
        if other is None or how:
            where = there[other.number] if other is not None else None
            said = how or f"the second has no step {step.key}"
            return Parting(name, len(ours), len(theirs), same, said, here[step.number], where)
        same += 1
    more = next((step for step in theirs if step.key not in {each.key for each in ours}), None)
    if more is not None:
        return Parting(
            name, len(ours), len(theirs), same, f"the first has no step {more.key}", None, there[more.number]
        )
    return Parting(name, len(ours), len(theirs), same, "", None, None)


def _difference(step: Outlined, other: Outlined, answers: Mapping[int, str]) -> str:
    """How two steps of one key differ; "" where they do not."""
    for mine, its in zip(step.parts, other.parts, strict=False):
        if mine != its:
            return f"{mine[0]} of {step.key} differs"
    if len(step.parts) != len(other.parts):
        return f"the request of {step.key} has {len(step.parts)} parts in the first, {len(other.parts)} in the second"
    if _said(answers.get(step.number, ""), step.kind) != _said(answers.get(other.number, ""), other.kind):
        return f"{'the reply' if step.kind in ASKS else 'what came back'} at {step.key} differs"
    return ""


def _said(answer: str, kind: str) -> object:
    """What counts of an answer: a reply's choices, a command's output and exit code, never how long it took."""
    try:
        value = json.loads(answer)
    except ValueError:
        return answer
    if not isinstance(value, dict):
        return value
    if kind in ASKS:
        return value.get("choices", value)
    return {
        name: value[name]
        for name in ("exit_code", "output", "ended", "content", "missing", "killed")
        if name in value
    }


def _places(steps: Sequence[Outlined]) -> dict[int, tuple[int, int]]:
    """Turn and page of each step, by its number."""
    found = spans(steps)
    return {step.number: (span.number, page_at(at)) for at, span in enumerate(found) for step in span.steps}


def _names(reader: Reader, run: str, task: str) -> list[str]:
    spent = [each.trajectory for each in reader.spent(run, task)]
    return [name for name in spent if is_attempt(name) or name == "context"]


def _change(first: Row | None, second: Row | None, graded: bool) -> Change:
    if first is None:
        return "only in B"
    if second is None:
        return "only in A"
    was, now = ((row.chosen_right is True) if graded else bool(row.chosen) for row in (first, second))
    if was != now:
        return "gained" if now else "lost"
    return "same" if first.chosen == second.chosen or was else "other"
