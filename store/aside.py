"""Setting a trajectory aside: its steps and its row get another name, so that one of the old name can begin anew."""

from __future__ import annotations

from sqlalchemy import Connection, select

from store.schema import steps, trajectories

ASIDE = "redone-"


def set_aside(connection: Connection, run: str, task: str, trajectory: str, answers: str) -> str:
    """Rename, in one transaction. answers: the beginning of the answers of the steps meant, "" for all."""
    name = _unused(connection, run, task, trajectory)
    for table in (steps, trajectories):
        mine = (table.c.run == run) & (table.c.task == task) & (table.c.trajectory == trajectory)
        if table is steps and answers:
            mine &= steps.c.answer.startswith(answers, autoescape=True)
        connection.execute(table.update().where(mine).values(trajectory=name))
    return name


def answered(connection: Connection, run: str, answers: str) -> list[tuple[str, str]]:
    """(task, trajectory) of those with a step whose answer begins so."""
    query = select(steps.c.task, steps.c.trajectory).distinct().order_by(steps.c.task, steps.c.trajectory)
    found = connection.execute(
        query.where(steps.c.run == run, steps.c.answer.startswith(answers, autoescape=True))
    )
    return [(row.task, row.trajectory) for row in found if not row.trajectory.startswith(ASIDE)]


def _unused(connection: Connection, run: str, task: str, trajectory: str) -> str:
    number = 1
    while True:
        name = f"{ASIDE}{number}/{trajectory}"
        taken = (
            select(table.c.run)
            .where(table.c.run == run, table.c.task == task, table.c.trajectory == name)
            .limit(1)
            for table in (steps, trajectories)
        )
        if not any(connection.execute(query).one_or_none() for query in taken):
            return name
        number += 1
