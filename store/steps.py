"""Steps as rows: in, out, one after another, and added up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from store.database import Readable
from store.rows import Key, Step, Totals
from store.schema import steps
from store.texts import Parts, pack, read_nodes, unpack, walk

PAGE = 500  # steps read at once


def row_of(run: str, task: str, step: Step, tip: str | None, settings: str | None) -> dict[str, Any]:
    answer, answer_packed = pack(step.answer)
    return {
        "run": run,
        "task": task,
        "trajectory": step.key.trajectory,
        "branch": step.key.branch,
        "position": step.key.index,
        "sample": step.key.sample,
        "kind": step.kind,
        "tip": tip,
        "settings": settings,
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
        "cached_tokens": step.cached_tokens,
        "cost": step.cost,
        "started": step.started,
        "seconds": step.seconds,
        "answer": answer,
        "answer_packed": answer_packed,
    }


def step_of(row: Row, parts: Parts) -> Step:
    return Step(
        key=Key(row.trajectory, row.branch, row.position, row.sample),
        kind=row.kind,
        parts=parts,
        answer=unpack(row.answer, row.answer_packed),
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        cost=row.cost,
        started=row.started,
        seconds=row.seconds,
    )


def without_parts(step: Step) -> Step:
    """For memory: the parts of n turns are O(n^2), their chain is O(n). (dataclasses.replace takes ten times as
    long.)"""
    return Step(
        step.key,
        step.kind,
        (),
        step.answer,
        step.prompt_tokens,
        step.completion_tokens,
        step.cached_tokens,
        step.cost,
        step.started,
        step.seconds,
    )


def steps_of(run: str, task: str | None = None, trajectory: str | None = None) -> ColumnElement[bool]:
    """The condition that picks the steps of a run, of one of its tasks, or of one trajectory."""
    where = steps.c.run == run
    if task is not None:
        where &= steps.c.task == task
    if trajectory is not None:
        where &= steps.c.trajectory == trajectory
    return where


def read_steps(database: Readable, where: ColumnElement[bool]) -> Iterator[Step]:
    """Steps in order of writing, those that were there when it began. No transaction is held open meanwhile:
    it would keep SQLite's log from being folded into the file.
    """
    with database.read() as connection:
        end = connection.execute(select(func.max(steps.c.id)).where(where)).scalar() or 0
        nodes = read_nodes(connection, select(steps.c.tip).where(where, steps.c.id <= end))
    last = 0
    while last < end:
        page = (
            select(steps).where(where, steps.c.id > last, steps.c.id <= end).order_by(steps.c.id).limit(PAGE)
        )
        with database.read() as connection:
            rows = connection.execute(page).all()
        for row in rows:
            yield step_of(row, walk(nodes, row.tip, row.settings))
        last = rows[-1].id if rows else end


def sums() -> list[Any]:
    """The columns of `Totals`, over whatever steps a query picks."""
    asks = steps.c.kind == "ask"

    def total(column: Any, zero: float) -> Any:
        return func.coalesce(func.sum(column), zero).label(column.name)

    return [
        func.count().filter(asks).label("asks"),
        func.count().filter(steps.c.kind == "run").label("runs"),
        total(steps.c.prompt_tokens, 0),
        total(steps.c.completion_tokens, 0),
        total(steps.c.cached_tokens, 0),
        total(steps.c.cost, 0.0),
        func.count().filter(asks, steps.c.cost.is_(None)).label("unpriced"),
        total(steps.c.seconds, 0.0),
    ]


def add_up(database: Readable, where: ColumnElement[bool]) -> Totals:
    with database.read() as connection:
        return Totals(**connection.execute(select(*sums()).where(where)).one()._mapping)
