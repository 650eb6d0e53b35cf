"""The one thread that writes, and group commit.

Whoever writes puts a job into a queue and waits. The thread takes all that is there, writes it in one
transaction with one flush to disk, and only then wakes those who waited: the more wait, the more share a
flush. Where a batch fails, each of its jobs is done alone, so that an error reaches the one it belongs to and
nobody else.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from store.database import Database, sentences
from store.errors import StoreError
from store.lease import BEAT, Leases
from store.schema import BULK, bulk_statements

Rows = dict[str, list[dict[str, Any]]]

BATCH = 1000  # jobs in one transaction at most


@dataclass(eq=False, slots=True)
class _Job:
    """Rows for the bulk tables (made in the thread: packing takes time), or work of its own on the
    connection.
    """

    rows: Callable[[], Rows] | None = None
    work: Callable[[Connection], Any] | None = None
    on_commit: Callable[[], None] | None = None
    waiting: asyncio.Future | Future = field(default_factory=Future)
    made: Rows | None = None


class Writer:
    """Writes for a whole process, and keeps its leases alive."""

    def __init__(self, database: Database, leases: Leases):
        self._database = database
        self._leases = leases
        self._statements = bulk_statements(database.writing.dialect.name)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="winnow store writer", daemon=True)
        self._thread.start()

    async def put(self, rows: Callable[[], Rows], on_commit: Callable[[], None] | None = None) -> None:
        """Write rows; they are on disk when this returns.

        on_commit runs in the loop's thread as soon as they are. Cancelling waits for the commit
        (milliseconds), so that nobody goes on in doubt about what the journal holds.
        """
        waiting = asyncio.get_running_loop().create_future()
        self._submit(_Job(rows=rows, on_commit=on_commit, waiting=waiting))
        cancelled = None
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError as reason:
                cancelled = reason
            except Exception:
                break
        error = waiting.exception()
        if cancelled is not None:
            raise cancelled
        if error is not None:
            raise error

    def do(self, work: Callable[[Connection], Any]) -> Any:
        """Run `work` in the thread and wait for its commit; for callers outside of a loop. Returns what it
        returns.
        """
        job = _Job(work=work)
        self._submit(job)
        return job.waiting.result()

    def do_rows(self, rows: Callable[[], Rows]) -> None:
        """As `put`, for callers outside of a loop."""
        job = _Job(rows=rows)
        self._submit(job)
        job.waiting.result()

    def close(self) -> None:
        """Write what is still queued, and end the thread. Writing afterwards is an error."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _submit(self, job: _Job) -> None:
        with self._door:
            if self._closed:
                raise StoreError(f"The store {self._database.name} is closed: open it again to write")
            self._queue.put(job)

    def _write_on(self) -> None:
        due = time.monotonic() + BEAT
        unsure: Exception | None = None
        open_ = True
        while open_:
            jobs: list[_Job | None] = []
            with suppress(queue.Empty):
                jobs.append(self._queue.get(timeout=max(0.0, due - time.monotonic())))
                while len(jobs) < BATCH:
                    jobs.append(self._queue.get_nowait())
            if jobs and jobs[-1] is None:
                open_ = False
                jobs.pop()
            # A process that slept must learn that its lease is gone before it writes, and so must one whose
            # last beat failed.
            if time.monotonic() >= due or (unsure and jobs):
                unsure = self._beat()
                due = time.monotonic() + (1 if unsure else BEAT)
            if jobs:
                _settle([(job, None, unsure) for job in jobs] if unsure else self._write(jobs))

    def _beat(self) -> Exception | None:
        try:
            if self._leases.held:
                with sentences(self._database.name), self._database.writing.begin() as connection:
                    self._leases.beat(connection)
        except Exception as error:
            return error
        return None

    def _write(self, jobs: list[_Job]) -> list[tuple[_Job, Any, Exception | None]]:
        """What each job gave, or why it failed."""
        try:
            with sentences(self._database.name), self._database.writing.begin() as connection:
                values = self._write_together(connection, jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [(jobs[0], None, error)]
            return [outcome for job in jobs for outcome in self._write([job])]
        return [(job, value, None) for job, value in zip(jobs, values, strict=True)]

    def _write_together(self, connection: Connection, jobs: list[_Job]) -> list[Any]:
        values = []
        rows: Rows = {}
        for job in jobs:
            if job.work is not None:
                self._flush(connection, rows)
                rows = {}
                values.append(job.work(connection))
                continue
            if job.made is None:
                job.made = job.rows()
            for table, some in job.made.items():
                rows.setdefault(table, []).extend(some)
            values.append(None)
        self._flush(connection, rows)
        return values

    def _flush(self, connection: Connection, rows: Rows) -> None:
        for table in BULK:
            if some := rows.get(table):
                connection.execute(self._statements[table], some)


def _settle(outcomes: list[tuple[_Job, Any, Exception | None]]) -> None:
    """Wake who waited: threads at once, each event loop by one call for all of its jobs."""
    loops: dict[asyncio.AbstractEventLoop, list] = {}
    for job, value, error in outcomes:
        if isinstance(job.waiting, asyncio.Future):
            loops.setdefault(job.waiting.get_loop(), []).append((job, error))
        elif error is None:
            job.waiting.set_result(value)
        else:
            job.waiting.set_exception(error)
    for loop, jobs in loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(partial(_wake, jobs))


def _wake(jobs: list[tuple[_Job, Exception | None]]) -> None:
    for job, error in jobs:
        if error is not None:
            job.waiting.set_exception(error)
            continue
        if job.on_commit is not None:
            job.on_commit()
        job.waiting.set_result(None)
