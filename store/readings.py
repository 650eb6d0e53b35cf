"""Readings of a whole run: a page at a time, whatever its size, and never with a transaction held open meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Row, Table, func, select

from store.database import Readable
from store.rows import ResultRow, Spent, TrajectoryRow
from store.schema import results, steps, trajectories
from store.steps import steps_of, sums

PAGE = 500  # rows read at once


def each_trajectory(database: Readable, run: str) -> Iterator[TrajectoryRow]:
    """In the order in which they were first written."""
    for row in _each(database, trajectories, run):
        yield TrajectoryRow(
            row.run, row.task, row.trajectory, row.ending, row.is_result, row.detail, row.body
        )


def each_result(database: Readable, run: str, kind: str) -> Iterator[ResultRow]:
    """Those of one kind, in the order in which they were first written."""
    for row in _each(database, results, run, kind):
        yield ResultRow(row.run, row.task, row.kind, row.name, row.body)


def endings(connection: Connection, run: str) -> list[TrajectoryRow]:
    """Every trajectory's row with an empty body, in the order in which they were first written."""
    table = trajectories.c
    query = select(table.task, table.trajectory, table.ending, table.is_result, table.detail)
    rows = connection.execute(query.where(table.run == run).order_by(table.id))
    return [
        TrajectoryRow(run, row.task, row.trajectory, row.ending, row.is_result, row.detail, "")
        for row in rows
    ]


def spent(database: Readable, run: str, task: str | None = None) -> list[Spent]:
    """What the steps of each trajectory add up to, by task and trajectory. One pass; no text is read."""
    query = (
        select(
            steps.c.task,
            steps.c.trajectory,
            func.min(steps.c.started).label("began"),
            func.max(steps.c.started + steps.c.seconds).label("ended"),
            *sums(),
        )
        .where(steps_of(run, task))
        .group_by(steps.c.task, steps.c.trajectory)
        .order_by(steps.c.task, steps.c.trajectory)
    )
    with database.read() as connection:
        return [Spent(**row._mapping) for row in connection.execute(query)]


def _each(database: Readable, table: Table, run: str, kind: str | None = None) -> Iterator[Row]:
    last = 0
    while True:
        where = (table.c.run == run) & (table.c.id > last)
        if kind is not None:
            where &= table.c.kind == kind
        with database.read() as connection:
            rows = connection.execute(select(table).where(where).order_by(table.c.id).limit(PAGE)).all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1].id
