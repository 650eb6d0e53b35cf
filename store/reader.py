"""The reading half of a store: what a viewer needs, and what whoever writes reads back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from store import aside, pages, readings, runs
from store.database import Database
from store.errors import StoreError
from store.lease import holder
from store.read_only import ReadOnly, open_read_only
from store.rows import (
    Outlined,
    Part,
    ResultRow,
    RunRow,
    Spent,
    Status,
    Step,
    Taken,
    TaskRow,
    Totals,
    TrajectoryRow,
)
from store.steps import add_up, read_steps, steps_of
from store.texts import read_texts


def open_reader(where: str | Path | None = None) -> Reader:
    """Open a store that is there, for reading alone: nothing of it, or beside it, is written. Others may write.

    where: as for `open_store`. Raises StoreError, in one sentence, where it cannot be read; each reading may raise
    StoreMoved, which says to read again.
    """
    return Reader(open_read_only(where))


class Reader:
    """Readings of runs, tasks, trajectories, results and journals. url: for people to read; a password is masked."""

    def __init__(self, database: Database | ReadOnly):
        self.url = database.url
        self._database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. Again: nothing happens."""
        self._database.close()

    def stamp(self) -> str:
        """Changes whenever the store does, on a server every two seconds; only of a store opened by `open_reader`."""
        if isinstance(self._database, Database):
            raise StoreError("whoever writes a store knows when it changes: open_reader gives a stamp")
        return self._database.stamp()

    def runs(self) -> list[RunRow]:
        """All runs, the oldest first."""
        with self._database.read() as connection:
            return runs.every(connection)

    def run(self, run: str) -> RunRow:
        """The run of this id, or the only one whose id begins so. Raises StoreError naming the nearest."""
        with self._database.read() as connection:
            return runs.find(connection, run)

    def worked_on(self, run: str) -> bool:
        """Whether a living process holds the run's lease: one that was killed leaves its run "running" behind."""
        with self._database.read() as connection:
            return holder(connection, run) is not None

    def status(self, row: RunRow) -> Status:
        """How a run stands: "interrupted" too where its process was killed, which could not write that any more."""
        return "interrupted" if row.status == "running" and not self.worked_on(row.run) else row.status

    def task_names(self, run: str) -> list[str]:
        """The names of a run's tasks, in the order in which they were first put."""
        with self._database.read() as connection:
            return runs.read_task_names(connection, run)

    def task(self, run: str, task: str) -> TaskRow:
        """One task of a run. Raises StoreError where it has none of this name."""
        with self._database.read() as connection:
            return runs.read_task(connection, run, task)

    def tasks(self, run: str) -> list[TaskRow]:
        """A run's tasks in the order in which they were first put."""
        with self._database.read() as connection:
            return runs.read_tasks(connection, run)

    def trajectories(self, run: str, task: str) -> list[TrajectoryRow]:
        """A task's trajectories by name, "attempt-2" before "attempt-10"."""
        with self._database.read() as connection:
            return runs.read_trajectories(connection, run, task)

    def trajectory(self, run: str, task: str, trajectory: str) -> TrajectoryRow | None:
        """One of them; None while nothing is written of it but steps."""
        with self._database.read() as connection:
            return runs.read_trajectory(connection, run, task, trajectory)

    def results(self, run: str, task: str, kind: str | None = None) -> list[ResultRow]:
        """A task's results by kind and name, all kinds by default."""
        with self._database.read() as connection:
            return runs.read_results(connection, run, task, kind)

    def each_trajectory(self, run: str) -> Iterator[TrajectoryRow]:
        """The trajectories of all tasks, a page at a time, in the order in which they were first written."""
        return readings.each_trajectory(self._database, run)

    def each_result(self, run: str, kind: str) -> Iterator[ResultRow]:
        """The results of one kind of all tasks, a page at a time, in the order in which they were first written."""
        return readings.each_result(self._database, run, kind)

    def spent(self, run: str, task: str | None = None) -> list[Spent]:
        """What the steps of each trajectory add up to, by task and trajectory."""
        return readings.spent(self._database, run, task)

    def spent_since(self, run: str, step: int = 0) -> tuple[dict[str, Totals], int]:
        """What the steps of each task add up to, of those written after the step of this number; the last one's number.

        0: all of them. So whoever remembers both reads only what is new.
        """
        with self._database.read() as connection:
            return pages.spent_since(connection, run, step)

    def steps_since(self, run: str, step: int, most: int, task: str | None = None) -> list[Taken]:
        """The first `most` steps of a run, or of a task, written after the step of this number (0: from the first)."""
        with self._database.read() as connection:
            return pages.steps_since(connection, run, step, most, task)

    def last_steps(self, run: str, count: int, task: str | None = None) -> int:
        """The number after which a run's last `count` steps were written."""
        with self._database.read() as connection:
            return pages.last_steps(connection, run, count, task)

    def endings(self, run: str) -> list[TrajectoryRow]:
        """How every trajectory of all tasks stands, without the bodies: quick for thousands."""
        with self._database.read() as connection:
            return readings.endings(connection, run)

    def answered(self, run: str, answers: str) -> list[tuple[str, str]]:
        """(task, trajectory) of those with a step whose answer begins so, without those that were set aside."""
        with self._database.read() as connection:
            return aside.answered(connection, run, answers)

    def steps(self, run: str, task: str | None = None, trajectory: str | None = None) -> Iterator[Step]:
        """The steps of a run, a task or a trajectory, in order of writing."""
        return read_steps(self._database, steps_of(run, task, trajectory))

    def outline(self, run: str, task: str, trajectory: str) -> list[Outlined]:
        """A trajectory's steps in order of writing, without their answers and texts: small, whatever they say."""
        with self._database.read() as connection:
            return pages.outline(connection, run, task, trajectory)

    def answers(self, numbers: Collection[int]) -> dict[int, str]:
        """The answers of steps by the numbers that their outline gives."""
        with self._database.read() as connection:
            return pages.answers(connection, numbers)

    def texts_of(self, digests: Iterable[str]) -> dict[str, str]:
        """Texts of requests by digest, those that are there."""
        with self._database.read() as connection:
            return read_texts(connection, digests)

    def texts(self, step: Step) -> list[Part]:
        """The full texts of a step's request, in order. Raises StoreError for a step of another store."""
        texts = self.texts_of(digest for _, digest in step.parts)
        for label, digest in step.parts:
            if digest not in texts:
                raise StoreError(
                    f"The text of {label} of step {step.key} is not in this store: is it another one's?"
                )
        return [Part(label, texts[digest]) for label, digest in step.parts]

    def totals(self, run: str, task: str | None = None) -> Totals:
        """What the steps of a run or a task add up to."""
        return add_up(self._database, steps_of(run, task))
