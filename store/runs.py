"""Runs by id or the beginning of one, and what is written about their tasks."""

from __future__ import annotations

import difflib
import re

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from store.errors import NoSuchRun, StoreError
from store.rows import ResultRow, RunRow, TaskRow, TrajectoryRow
from store.schema import results, runs, tasks, trajectories
from store.texts import storable

STATUSES = ("running", "finished", "interrupted", "failed")


def create(connection: Connection, run: str, *, config: str, kind: str, started: float) -> None:
    if connection.execute(select(runs.c.run).where(runs.c.run == run)).one_or_none():
        raise StoreError(f"There is a run {run} already: resume it, or give the new one another name")
    row = {"run": run, "kind": kind, "status": "running", "config": storable(config), "started": started}
    connection.execute(runs.insert(), row)


def set_status(connection: Connection, run: str, *, status: str, ended: float | None) -> None:
    if status not in STATUSES:
        raise ValueError(f"the status of a run is one of {', '.join(STATUSES)}, not {status}")
    if not connection.execute(
        runs.update().where(runs.c.run == run).values(status=status, ended=ended)
    ).rowcount:
        raise unknown(connection, run)


def set_config(connection: Connection, run: str, *, config: str) -> None:
    require(connection, run)
    connection.execute(runs.update().where(runs.c.run == run).values(config=storable(config)))


def require(connection: Connection, run: str) -> None:
    """Raises StoreError where there is no run of exactly this id."""
    if not connection.execute(select(runs.c.run).where(runs.c.run == run)).one_or_none():
        raise unknown(connection, run)


def find(connection: Connection, name: str) -> RunRow:
    """The run whose id is `name`, or else the only one whose id begins so. Raises StoreError naming the
    likeliest.
    """
    names = _names(connection)
    found = [name] if name in names else [run for run in names if name and run.startswith(name)]
    if not found:
        raise unknown(connection, name)
    if len(found) > 1:
        shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise NoSuchRun(f"{len(found)} runs begin with {name} ({shown}): give more of the id")
    return _run(connection.execute(select(runs).where(runs.c.run == found[0])).one())


def every(connection: Connection) -> list[RunRow]:
    """All runs, the oldest first."""
    return [_run(row) for row in connection.execute(select(runs).order_by(runs.c.started, runs.c.run))]


def unknown(connection: Connection, name: str) -> NoSuchRun:
    names = _names(connection)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    hint = f"the nearest is {near[0]}" if near else "there is none yet"
    return NoSuchRun(f"There is no run {name!r} in this store: {hint}; `winnow runs` lists them")


def read_tasks(connection: Connection, run: str) -> list[TaskRow]:
    """In the order in which they were first put."""
    rows = connection.execute(select(tasks).where(tasks.c.run == run).order_by(tasks.c.id))
    return [TaskRow(row.run, row.task, row.body) for row in rows]


def read_task_names(connection: Connection, run: str) -> list[str]:
    """In the order in which they were first put."""
    return list(
        connection.execute(select(tasks.c.task).where(tasks.c.run == run).order_by(tasks.c.id)).scalars()
    )


def read_task(connection: Connection, run: str, task: str) -> TaskRow:
    row = connection.execute(select(tasks).where(tasks.c.run == run, tasks.c.task == task)).one_or_none()
    if row is None:
        near = difflib.get_close_matches(task, read_task_names(connection, run), n=1, cutoff=0.0)
        hint = f": the nearest is {near[0]}" if near else ""
        raise StoreError(f"Run {run} has no task {task!r}{hint}")
    return TaskRow(row.run, row.task, row.body)


def read_trajectories(connection: Connection, run: str, task: str) -> list[TrajectoryRow]:
    """By name, numbers as numbers: never in the order in which they happened to end."""
    rows = _named(connection, trajectories, run, task)
    return sorted(map(_trajectory, rows), key=lambda row: _natural(row.trajectory))


def read_trajectory(connection: Connection, run: str, task: str, trajectory: str) -> TrajectoryRow | None:
    """One of them, None where it has no row."""
    found = _named(connection, trajectories, run, task, trajectories.c.trajectory == trajectory)
    return next((_trajectory(row) for row in found), None)


def read_results(connection: Connection, run: str, task: str, kind: str | None) -> list[ResultRow]:
    """By kind and name, numbers as numbers: never in the order in which they happened to arrive."""
    where = None if kind is None else results.c.kind == kind
    rows = _named(connection, results, run, task, where)
    found = [ResultRow(row.run, row.task, row.kind, row.name, row.body) for row in rows]
    return sorted(found, key=lambda row: (row.kind, _natural(row.name)))


def _named(
    connection: Connection, table: Table, run: str, task: str, where: ColumnElement[bool] | None = None
) -> list[Row]:
    query = select(table).where(table.c.run == run, table.c.task == task)
    return list(connection.execute(query if where is None else query.where(where)))


def _trajectory(row: Row) -> TrajectoryRow:
    return TrajectoryRow(row.run, row.task, row.trajectory, row.ending, row.is_result, row.detail, row.body)


def _names(connection: Connection) -> list[str]:
    return list(connection.execute(select(runs.c.run).order_by(runs.c.run)).scalars())


def _run(row: Row) -> RunRow:
    return RunRow(row.run, row.kind, row.status, row.config, row.started, row.ended)


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """ "attempt-2" before "attempt-10"."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(piece), "") if piece[0] in "0123456789" else (-1, piece) for piece in pieces], name
