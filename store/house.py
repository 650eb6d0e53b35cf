"""The store itself: what the rest of Winnow writes to and reads from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from store import aside, runs
from store.database import Database, open_database
from store.errors import StoreError
from store.journal import Journal
from store.lease import Leases
from store.reader import Reader
from store.rows import Redact, Status
from store.texts import storable
from store.writer import Rows, Writer


def open_store(where: str | Path | None = None, redact: Redact = str) -> Store:
    """Open a store, and make it where there is none.

    redact: takes secrets out of every text that is written (JSON stays JSON).

    where: a file, or any SQLAlchemy URL of SQLite or PostgreSQL; None for $WINNOW_STORE, or else
    winnow/winnow.db in the user's data folder. Raises StoreError, in one sentence, where it cannot be used.
    """
    return Store(open_database(where), redact)


class Store(Reader):
    """Runs, tasks, trajectories, results and journals: all that a Reader reads, and the writing of it.

    What writes returns when it is on disk. Async methods wait without holding up the loop; plain ones are
    quick and wait at once. Reading goes on while something is written, from other processes too.
    """

    def __init__(self, database: Database, redact: Redact = str):
        super().__init__(database)
        self._redact = redact
        self._database: Database = database
        self._leases = Leases()
        self._writer = Writer(database, self._leases)

    def close(self) -> None:
        """Write what is still waiting, give back the leases, close the database. Again: nothing happens."""
        for run in list(self._leases.held):
            self._give_back(run)
        self._writer.close()
        self._database.close()

    def create_run(self, run: str, *, config: str, kind: str, started: float | None = None) -> None:
        """Begin a run. config: JSON text; started: unix time, now by default. Raises StoreError for an id in
        use.
        """
        started = time.time() if started is None else started
        config = self._redact(config)
        self._writer.do(partial(runs.create, run=run, config=config, kind=kind, started=started))

    def set_run(self, run: str, *, status: Status, ended: float | None = None) -> None:
        """Say how a run stands. ended: unix time; None clears it."""
        self._writer.do(partial(runs.set_status, run=run, status=status, ended=ended))

    @contextmanager
    def lease(self, run: str) -> Iterator[None]:
        """Be the only process that works on `run`.

        Raises RunBusy where another one does and lives. One that died on this machine is succeeded at once;
        one on another machine after 30 seconds without a sign of life. Whoever loses a lease meanwhile (a
        machine that was suspended) cannot write to that run's journal any more.
        """

        def take(connection: Connection) -> None:
            runs.require(connection, run)
            self._leases.take(connection, run)

        self._writer.do(take)
        try:
            yield
        finally:
            self._give_back(run)

    def put_task(self, run: str, task: str, *, body: str) -> None:
        """Write a task of a run, or replace it. body: JSON text."""
        self._writer.do_rows(lambda: {"tasks": [{"run": run, "task": task, "body": self._storable(body)}]})

    def put_tasks(self, run: str, bodies: Mapping[str, str]) -> None:
        """Write many tasks of a run, by name: all of them, or none where it fails."""
        rows = [{"run": run, "task": task, "body": self._storable(body)} for task, body in bodies.items()]
        self._writer.do_rows(lambda: {"tasks": rows})

    def set_config(self, run: str, config: str) -> None:
        """Replace a run's configuration. config: JSON text."""
        self._writer.do(partial(runs.set_config, run=run, config=self._redact(config)))

    async def put_trajectory(
        self,
        run: str,
        task: str,
        trajectory: str,
        *,
        ending: str | None,
        is_result: bool,
        detail: str = "",
        body: str = "",
    ) -> None:
        """Write how a trajectory stands, or replace it. body: JSON text of the candidate it left."""

        def rows() -> Rows:
            self._leases.check(run)
            row = {
                "run": run,
                "task": task,
                "trajectory": trajectory,
                "ending": ending,
                "is_result": is_result,
                "detail": self._storable(detail),
                "body": self._storable(body),
            }
            return {"trajectories": [row]}

        await self._writer.put(rows)

    async def put_result(self, run: str, task: str, kind: str, name: str, body: str) -> None:
        """Write something found out about a task, or replace it. body: JSON text."""

        def rows() -> Rows:
            self._leases.check(run)
            row = {"run": run, "task": task, "kind": kind, "name": name, "body": self._storable(body)}
            return {"results": [row]}

        await self._writer.put(rows)

    def set_aside(self, run: str, task: str, trajectory: str, *, answers: str = "") -> str:
        """Give a trajectory's steps and its row a new name, so that it can be made anew; nothing is lost.

        answers: only steps whose answer begins so are renamed. -> the new name, "redone-1/attempt-3": nothing that is
        about trajectories by name takes it for one of theirs. Hold the run's lease.
        """

        def rename(connection: Connection) -> str:
            self._leases.check(run)
            return aside.set_aside(connection, run, task, trajectory, answers)

        return self._writer.do(rename)

    def journal(self, run: str, task: str) -> Journal:
        """The journal of a task, all its steps in memory. Hold the run's lease while you write to it."""
        return Journal(self._database, self._writer, self._leases, run, task, self._redact)

    def _storable(self, json_text: str) -> str:
        return storable(self._redact(json_text))

    def _give_back(self, run: str) -> None:
        # A lease that cannot be given back ends with this process: no reason to hide what went wrong before.
        with suppress(StoreError):
            self._writer.do(partial(self._leases.give_back, run=run))
