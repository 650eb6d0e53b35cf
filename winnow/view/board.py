"""A run's issues as one table holds them: small rows, made from what the store has by issue, never from its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from store import Reader, Totals

from ..attempts import NOT_GRADED, as_object, is_attempt
from ..batch_issues import IssueEnding, IssueState, Stage, states
from .memory import Memory

TITLE = 140
"""Characters of an issue's first line."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is known of right and wrong: by task, attempts that were graded, and what each strategy chose."""

    resolved: Mapping[str, Mapping[str, bool]]
    chosen: Mapping[str, Mapping[str, str | None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One issue. state: in words, "patch chosen" or "attempts"; kind: how it is coloured ("good", "odd", "bad", "busy",
    "waiting"). endings: attempts by how they ended. right, graded: attempts; chosen_right: None where nobody knows.
    """

    number: int
    task: str
    title: str
    state: str
    kind: str
    sentence: str
    chosen: str
    votes: int
    tests: int
    endings: Mapping[str, int]
    attempts: int
    right: int
    graded: int
    chosen_right: bool | None
    spent: Totals

    @property
    def covered(self) -> bool:
        return self.right > 0


@dataclass(frozen=True, slots=True)
class Board:
    """All issues of a run. strategy: whose choice counts. ended: attempts by (ending, whether it is a result)."""

    rows: tuple[Row, ...]
    strategy: str
    ended: Mapping[tuple[str, bool], int] = field(default_factory=dict)

    @property
    def graded(self) -> bool:
        return any(row.graded for row in self.rows)

    @property
    def states(self) -> list[tuple[str, str, int]]:
        """(state, kind, issues), in the order in which a run goes through them, ends first."""
        counts = Counter((row.state, row.kind) for row in self.rows)
        order = [str(name) for name in (*IssueEnding, *reversed(Stage))]
        return sorted(
            ((state, kind, many) for (state, kind), many in counts.items()),
            key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0]),
        )


def board(memory: Memory, run: str, config: Mapping[str, Any]) -> Board:
    """The board of a run as it stands."""
    return memory.of(("board", run), lambda: _board(memory, run, config))


def _board(memory: Memory, run: str, config: Mapping[str, Any]) -> Board:
    reader = memory.reader
    found = states(reader, run)
    heads = titles(memory, run, len(found))
    verdicts = memory.of(("verdicts", run), lambda: read_verdicts(reader, run), at_least=3.0)
    strategy = wanted_strategy(config, verdicts.chosen)
    sums = memory.sums(run)
    endings: dict[str, Counter[str]] = {}
    ended: Counter[tuple[str, bool]] = Counter()
    for row in reader.endings(run):
        if is_attempt(row.trajectory):
            ending = row.ending or "not ended"
            endings.setdefault(row.task, Counter())[ending] += 1
            ended[ending, row.is_result] += 1
    rows = tuple(
        _row(
            number,
            task,
            heads.get(task, ""),
            state,
            endings.get(task, Counter()),
            verdicts.resolved.get(task, {}),
            verdicts.chosen.get(task, {}),
            strategy,
            sums.get(task, Totals()),
        )
        for number, (task, state) in enumerate(found.items(), 1)
    )
    return Board(rows, strategy, dict(ended))


def _row(
    number: int,
    task: str,
    title: str,
    state: IssueState,
    endings: Counter[str],
    resolved: Mapping[str, bool],
    choices: Mapping[str, str | None],
    strategy: str,
    spent: Totals,
) -> Row:
    chosen = state.chosen or choices.get(strategy) or ""
    said, kind = _stands(state, bool(chosen), strategy in choices, bool(endings))
    return Row(
        number,
        task,
        title,
        said,
        kind,
        state.sentence,
        chosen,
        state.votes,
        state.tests,
        dict(endings),
        endings.total(),
        sum(resolved.values()),
        len(resolved),
        resolved.get(chosen) if chosen else (False if resolved and strategy in choices else None),
        spent,
    )


def _stands(state: IssueState, chosen: bool, decided: bool, begun: bool) -> tuple[str, str]:
    """A state in words and its kind. `winnow solve` and imports write no states: theirs follow from what there is."""
    if state.ending is not None:
        kinds = {IssueEnding.CHOSEN: "good", IssueEnding.NOTHING: "odd", IssueEnding.COST_LIMIT: "odd"}
        return str(state.ending), kinds.get(state.ending, "bad")
    if state.stage is not Stage.WAITING:
        return str(state.stage), "busy"
    if decided:
        return (str(IssueEnding.CHOSEN), "good") if chosen else (str(IssueEnding.NOTHING), "odd")
    return ("attempts", "busy") if begun else (str(Stage.WAITING), "waiting")


def titles(memory: Memory, run: str, many: int) -> dict[str, str]:
    """Each issue's first line. Tasks are written once, so they are read again only when there are more of them."""
    return memory.of(
        ("titles", run, str(many)),
        lambda: {row.task: title_of(issue_text(row.body)) for row in memory.reader.tasks(run)},
        at_least=60.0,
    )


def issue_text(body: str) -> str:
    """The issue in a task's body, built or not."""
    known = as_object(body)
    return str(known.get("issue") or as_object(known.get("instance")).get("issue") or "")


def title_of(text: str) -> str:
    first = next((line.strip(" #\t\r") for line in text.split("\n") if line.strip(" #\t\r")), "")
    return first if len(first) <= TITLE else first[: TITLE - 3] + "..."


def read_verdicts(reader: Reader, run: str) -> Verdicts:
    """Grades and choices of all tasks."""
    resolved: dict[str, dict[str, bool]] = {}
    for row in reader.each_result(run, "grade"):
        if (verdict := verdict_of(row.body)) is not None:
            resolved.setdefault(row.task, {})[row.name] = verdict
    chosen: dict[str, dict[str, str | None]] = {}
    for row in reader.each_result(run, "choice"):
        chosen.setdefault(row.task, {})[row.name] = as_object(row.body).get("chosen")
    return Verdicts(resolved, chosen)


def grades_of(memory: Memory, run: str, task: str) -> dict[str, bool]:
    """Whether each graded candidate of a task resolves it."""
    rows = memory.reader.results(run, task, "grade")
    return {row.name: verdict for row in rows if (verdict := verdict_of(row.body)) is not None}


def verdict_of(body: str) -> bool | None:
    """Whether a grade says that the issue is resolved; None where it says nothing of the patch."""
    grade = as_object(body)
    return None if grade.get("verdict") in ("", None, NOT_GRADED) else bool(grade.get("resolved"))


def wanted_strategy(config: Mapping[str, Any], chosen: Mapping[str, Mapping[str, str | None]]) -> str:
    """The run's own strategy, or the only one that there are choices of."""
    names = {name for each in chosen.values() for name in each}
    own = str((config.get("selection") or {}).get("strategy", ""))
    return own if own in names or not names else sorted(names)[-1]


def config_of(text: str) -> dict[str, Any]:
    """A run's configuration as plain data."""
    return as_object(text)
