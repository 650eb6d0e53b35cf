"""Readings for pages that people look at: bounded by what is shown, never by the size of a run."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from store.rows import Key, Outlined, Taken, Totals
from store.schema import steps
from store.steps import steps_of, sums
from store.texts import MANY, read_nodes, unpack, walk


def outline(connection: Connection, run: str, task: str, trajectory: str) -> list[Outlined]:
    """See Reader.outline. Digests of equal prefixes are shared strings, so that n turns take little more than n."""
    mine = steps_of(run, task, trajectory)
    nodes = read_nodes(connection, select(steps.c.tip).where(mine))
    columns = [column for column in steps.c if column.name not in ("answer", "answer_packed", "run", "task")]
    return [
        Outlined(
            number=row.id,
            key=Key(row.trajectory, row.branch, row.position, row.sample),
            kind=row.kind,
            parts=walk(nodes, row.tip, row.settings),
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            cached_tokens=row.cached_tokens,
            cost=row.cost,
            started=row.started,
            seconds=row.seconds,
        )
        for row in connection.execute(select(*columns).where(mine).order_by(steps.c.id))
    ]


def answers(connection: Connection, numbers: Collection[int]) -> dict[int, str]:
    """See Reader.answers."""
    wanted = sorted(numbers)
    found = {}
    for start in range(0, len(wanted), MANY):
        some = select(steps.c.id, steps.c.answer, steps.c.answer_packed)
        for row in connection.execute(some.where(steps.c.id.in_(wanted[start : start + MANY]))):
            found[row.id] = unpack(row.answer, row.answer_packed)
    return found


def spent_since(connection: Connection, run: str, step: int) -> tuple[dict[str, Totals], int]:
    """See Reader.spent_since. A run is written by one process, so its steps' numbers grow with time."""
    mine = steps_of(run) & (steps.c.id > step)
    last = connection.execute(select(func.max(steps.c.id)).where(mine)).scalar()
    if last is None:
        return {}, step
    query = select(steps.c.task, *sums()).where(mine, steps.c.id <= last).group_by(steps.c.task)
    found = {}
    for row in connection.execute(query):
        values = dict(row._mapping)
        task = values.pop("task")
        found[task] = Totals(**values)
    return found, last


def steps_since(connection: Connection, run: str, step: int, most: int, task: str | None) -> list[Taken]:
    """See Reader.steps_since."""
    columns = (
        "id task trajectory branch position kind prompt_tokens completion_tokens cached_tokens cost seconds "
        "started"
    )
    query = (
        select(*(steps.c[name] for name in columns.split()))
        .where(steps_of(run, task), steps.c.id > step)
        .order_by(steps.c.id)
        .limit(most)
    )
    return [Taken(*row) for row in connection.execute(query)]


def last_steps(connection: Connection, run: str, count: int, task: str | None) -> int:
    """See Reader.last_steps."""
    query = select(steps.c.id).where(steps_of(run, task)).order_by(steps.c.id.desc()).offset(count).limit(1)
    return connection.execute(query).scalar() or 0
