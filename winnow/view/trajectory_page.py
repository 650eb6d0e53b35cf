"""A trajectory: how it ended, what it took, its time line, its turns a page at a time, the patch it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent import Candidate
from store import StoreError, TrajectoryRow

from ..attempts import is_attempt
from ..stored import candidate_from_json
from .board import grades_of, issue_text, title_of
from .diffs import Diff, read_diff
from .memory import Memory
from .paging import page_asked
from .pieces import Shown, code
from .timeline import Timeline, timeline
from .turns import Span, Turn, new_parts, spans, turns

PAGE = 30
"""Turns on one page."""


@dataclass(frozen=True, slots=True)
class TrajectoryPage:
    """All of the page. turns: of this page, of `many` in all; index: (turn, page that it is on) of all of them.

    right: what its grade says. siblings: the names of the task's other attempts, in order.
    """

    run: str
    task: str
    title: str
    row: TrajectoryRow
    attempt: bool
    siblings: tuple[str, ...]
    candidate: Candidate | None
    diff: Diff | None
    test: Shown | None
    timeline: Timeline | None
    index: tuple[tuple[Span, int], ...]
    turns: tuple[Turn, ...]
    many: int
    page: int
    pages: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: float
    unpriced: int
    commands: int
    right: bool | None

    def page_of(self, turn: int) -> int:
        """The page that a turn is on."""
        first = self.index[0][0].number
        return page_at(turn - first)


def page_at(place: int) -> int:
    """The page on which the turn at a place is, places from 0, pages from 1."""
    return place // PAGE + 1


def trajectory_page(
    memory: Memory, run: str, task: str, trajectory: str, query: Mapping[str, str]
) -> TrajectoryPage:
    """Raises NoSuchRun, and StoreError where there is no such task or trajectory."""
    reader = memory.reader
    run = reader.run(run).run
    body = reader.task(run, task).body
    steps = reader.outline(run, task, trajectory)
    row = reader.trajectory(run, task, trajectory)
    if row is None and not steps:
        raise StoreError(f"Task {task} of run {run} has no trajectory {trajectory!r}")
    row = row or TrajectoryRow(run, task, trajectory, None, False, "", "")
    found = spans(steps)
    pages = max(1, -(-len(found) // PAGE))
    page = min(pages, page_asked(query))
    candidate = _candidate(row)
    asks = [span.ask for span in found if span.ask is not None]
    return TrajectoryPage(
        run=run,
        task=task,
        title=title_of(issue_text(body)),
        row=row,
        attempt=is_attempt(trajectory),
        siblings=tuple(r.trajectory for r in reader.trajectories(run, task) if is_attempt(r.trajectory)),
        candidate=candidate,
        diff=read_diff(memory.clean(candidate.patch)) if candidate and candidate.patch.strip() else None,
        test=code(memory.clean(candidate.test.text)) if candidate and candidate.test else None,
        timeline=timeline(found),
        index=tuple((span, page_at(at)) for at, span in enumerate(found)),
        turns=tuple(turns(reader, found[(page - 1) * PAGE : page * PAGE], new_parts(steps), memory.clean)),
        many=len(found),
        page=page,
        pages=pages,
        prompt_tokens=sum(ask.prompt_tokens for ask in asks),
        completion_tokens=sum(ask.completion_tokens for ask in asks),
        cached_tokens=sum(ask.cached_tokens for ask in asks),
        cost=sum(ask.cost or 0.0 for ask in asks),
        unpriced=sum(ask.cost is None for ask in asks),
        commands=sum(step.kind == "run" for step in steps),
        right=grades_of(memory, run, task).get(trajectory),
    )


def _candidate(row: TrajectoryRow) -> Candidate | None:
    if not row.body or not is_attempt(row.trajectory):
        return None
    try:
        return candidate_from_json(row.body)
    except ValueError:
        return None
