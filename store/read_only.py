"""A store that is only read: nothing of it is opened for writing, and nothing is made beside it.

An SQLite file in WAL mode has its latest pages in a log beside it (-wal), and an index of that log in a file that is
shared memory (-shm). Three cases, found out anew for each reading, since writers come and go:

- a log with its index: the file is opened read-only and so is the index (`readonly_shm`): the reader takes the same
  shared locks as any other, so a writer in another process neither waits nor is waited for. An index that nobody keeps
  any more (its writer was killed) is rebuilt in the reader's own memory. The log itself SQLite opens as it opens every
  log, for reading and, where it may, for writing; a connection in `mode=ro` never writes to it.
- no log, or an empty one: the last writer folded it into the file, so the file alone is the store. It is read without
  locks (`immutable`), since SQLite would otherwise make log and index; that the file stayed the same is checked
  afterwards. (Where a log goes in the very instant in which it is opened, SQLite leaves an empty one behind.)
- a log without an index (a copy that left it behind): only a writer can mend that, and the error says so.

Source: "Write-Ahead Logging", section "Read-Only Databases", and "URI Filenames" of SQLite's documentation.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from store import schema
from store.database import BUSY_SECONDS, sentences, shown_url, url_of
from store.errors import StoreError, StoreMoved

PATIENCE, PAUSE = 5.0, 0.01
"""Seconds for which a log may be without its index while a writer comes or goes, and between two looks."""


class ReadOnlyFile:
    """An SQLite store that is only read. Every reading has a connection of its own, opened for it: some 0.3 ms."""

    def __init__(self, file: Path):
        self.url = self.name = str(file)
        self._file = file
        self._log = file.with_name(file.name + "-wal")
        self._index = file.with_name(file.name + "-shm")
        self._engines = {mode: _engine(file, mode) for mode in _MODES}

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on one consistent state of the store. Raises StoreMoved where it had to be without locks, and a
        writer came meanwhile: read again."""
        with sentences(self.name):
            connection, without_locks = self._begin()
            try:
                before = _state(self._file) if without_locks else None
                yield connection
            finally:
                connection.close()
        if before is not None and _state(self._file) != before:
            raise StoreMoved(f"The store {self.name} was written to while it was read: read it again")

    def stamp(self) -> str:
        """Changes whenever something was written. Costs two looks at the file system."""
        return f"{_state(self._file)}{_state(self._log)}"

    def close(self) -> None:
        """Nothing stays open between readings."""

    def _begin(self) -> tuple[Connection, bool]:
        """A connection whose state is fixed, and whether it is without locks."""
        error: SQLAlchemyError | None = None
        until = time.monotonic() + PATIENCE
        while True:
            without_locks = _state(self._log)[1] == 0
            if without_locks or self._index.exists():
                connection = None
                try:
                    connection = self._engines[_ALONE if without_locks else _BESIDE].connect()
                    connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
                    return connection, without_locks
                except SQLAlchemyError as failed:
                    if connection is not None:
                        connection.close()
                    if not _came_or_went(failed):
                        raise
                    error = failed
            # Only after a look: a process that was stopped for a while must not give up without one.
            if time.monotonic() >= until:
                break
            time.sleep(PAUSE)  # a writer is about to make log and index, or to take both away
        if _state(self._log)[1] and not self._index.exists():
            raise StoreError(
                f"The store {self.name} has a log ({self._log.name}) without its index ({self._index.name}), so "
                "that it cannot be read without writing: copy all three files, or let `winnow runs` mend it"
            )
        raise StoreError(
            f"The store {self.name} cannot be opened: check that it and its folder can be read"
        ) from error


class ReadOnlyServer:
    """A store in PostgreSQL of which nothing is written: the server refuses it."""

    def __init__(self, database_url: object, shown: str):
        self.url = self.name = shown
        self._engine = create_engine(
            database_url,  # type: ignore[arg-type]
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on one consistent state of the store."""
        with sentences(self.name), self._engine.begin() as connection:
            yield connection

    def stamp(self) -> str:
        """Nothing cheap tells whether something was written: it changes every two seconds."""
        return str(int(time.time() / 2))

    def close(self) -> None:
        self._engine.dispose()


ReadOnly = ReadOnlyFile | ReadOnlyServer


def open_read_only(where: str | Path | None) -> ReadOnly:
    """Open a store that is there already. Raises StoreError where there is none, or another version's."""
    url = url_of(where)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not file.is_file():
            raise StoreError(
                f"There is no store at {file}: `winnow demo` makes a run, --store names another file"
            )
        if not os.access(file, os.R_OK):
            raise StoreError(f"The store {file} cannot be read: give yourself the right to")
        opened: ReadOnly = ReadOnlyFile(file)
    else:
        try:
            opened = ReadOnlyServer(url, shown_url(url))
        except ModuleNotFoundError as error:
            raise StoreError(
                f"The store {url.host} needs the Python package {error.name}: install it"
            ) from error
    with opened.read() as connection:
        _check(connection, opened.name)
    return opened


def _check(connection: Connection, name: str) -> None:
    if schema.version.name not in inspect(connection).get_table_names():
        raise StoreError(f"{name} is no store of Winnow's: name another one with --store")
    found = connection.execute(select(schema.version.c.version)).scalar_one()
    if found > schema.VERSION:
        raise StoreError(
            f"The store {name} was written by a newer Winnow (its version is {found}, this one knows "
            f"{schema.VERSION}): upgrade Winnow"
        )


_ALONE, _BESIDE = _MODES = ("immutable=1", "readonly_shm=1")


def _engine(file: Path, mode: str) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(file))}?mode=ro&{mode}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
        )
        connection.isolation_level = None
        connection.execute("PRAGMA query_only = ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _came_or_went(error: SQLAlchemyError) -> bool:
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _state(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return found.st_ino, found.st_size, found.st_mtime_ns
