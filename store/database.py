"""Opening a database: where it is, how SQLite is set, which version its tables have, and errors as
sentences.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from store import schema
from store.errors import StoreError

_MAGIC = b"SQLite format 3\0"
_LOCK = 0x57494E4E4F57  # "WINNOW": a number of its own among PostgreSQL's advisory locks
BUSY_SECONDS = 20  # how long a write waits for another process's transaction (they take milliseconds)


class Readable(Protocol):
    """Whatever readings are made on: a database that is also written, or one that is only read."""

    def read(self) -> AbstractContextManager[Connection]: ...


@dataclass(frozen=True)
class Database:
    """One database by two ways: `writing` is for the writer thread alone, `reading` is for everybody else."""

    url: str
    name: str
    writing: Engine
    reading: Engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on one consistent state of the store, which does not hold up the writer."""
        with sentences(self.name), self.reading.begin() as connection:
            yield connection

    def close(self) -> None:
        """Gives back every connection; the last one to close an SQLite file also folds its -wal file into
        it.
        """
        self.reading.dispose()
        self.writing.dispose()


def open_database(where: str | Path | None) -> Database:
    """Open, and set up where it is new. Raises StoreError for whatever keeps it from being used."""
    url = url_of(where)
    name = url.database if url.get_backend_name() == "sqlite" else shown_url(url)
    try:
        if url.get_backend_name() == "sqlite":
            _check_file(url)
            writing, reading = _sqlite(url, writes=True), _sqlite(url, writes=False)
        else:
            # isolation: a reader sees one state from first to last statement, as on SQLite.
            writing = create_engine(url, pool_pre_ping=True)
            reading = create_engine(url, pool_pre_ping=True, isolation_level="REPEATABLE READ")
    except ModuleNotFoundError as error:
        raise StoreError(f"The store {name} needs the Python package {error.name}: install it") from error
    database = Database(shown_url(url), name, writing, reading)
    try:
        with sentences(name), writing.begin() as connection:
            _prepare(connection, name)
    except BaseException:
        database.close()
        raise
    return database


def url_of(where: str | Path | None) -> URL:
    """Where a store is, as a URL of SQLite or PostgreSQL. Raises StoreError for what is neither."""
    where = str(where or os.environ.get("WINNOW_STORE") or "")
    if "://" not in where:
        return URL.create(
            "sqlite", database=str(Path(where).expanduser().absolute() if where else _default())
        )
    try:
        url = make_url(where)
        backend = url.get_backend_name()
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"{_hide(where)} is no database URL that SQLAlchemy knows: "
            f"{_first(error).replace(where, _hide(where))}"
        ) from error
    if backend not in ("sqlite", "postgresql"):
        raise StoreError(
            f"A store is kept in SQLite or PostgreSQL, not in {backend}: give a file or such a URL"
        )
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("A store in memory would be lost with the process: give the name of a file")
    if backend == "sqlite":
        url = url.set(drivername="sqlite", database=str(Path(url.database).expanduser().absolute()))
    return url


def shown_url(url: URL) -> str:
    """The URL for people to read: its password, and parameters that may be one, are left out."""
    return url.set(query={}).render_as_string(hide_password=True)


def _default() -> Path:
    """The user's data folder by the XDG base directory rules (macOS: its own place), made where it is
    missing.
    """
    named = os.environ.get("XDG_DATA_HOME", "")
    if Path(named).is_absolute():
        folder = Path(named)
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path.home() / ".local" / "share"
    folder = folder / "winnow"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} for the store cannot be made ({error.strerror}): name a file with "
            f"--store or WINNOW_STORE"
        ) from error
    return folder / "winnow.db"


def _check_file(url: URL) -> None:
    file = Path(url.database)
    try:
        if file.is_dir():
            raise StoreError(
                f"The store {file} is a folder: give the name of a file, such as {file / 'winnow.db'}"
            )
        if not file.parent.is_dir():
            raise StoreError(
                f"The folder {file.parent} for the store does not exist: make it, or name another file"
            )
        if not os.access(file if file.exists() else file.parent, os.R_OK | os.W_OK):
            raise StoreError(
                f"The store {file} cannot be written: give yourself the right to, or name another file"
            )
        if file.exists():
            with file.open("rb") as stream:
                begins = stream.read(len(_MAGIC))
            if begins not in (b"", _MAGIC):  # SQLite itself would write over a file of a few bytes
                raise StoreError(_SQLITE[sqlite3.SQLITE_NOTADB].format(name=file))
    except OSError as error:
        raise StoreError(
            f"The store {file} cannot be opened ({error.strerror}): name another file"
        ) from error


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Turn a new file into one with a log (WAL).

    Of several that do so at once SQLite refuses all but one without waiting, whatever their patience.
    """
    locked = retry_if_exception(lambda e: isinstance(e, sqlite3.OperationalError) and "locked" in str(e))
    again = Retrying(
        retry=locked, stop=stop_after_delay(BUSY_SECONDS), wait=wait_random(0, 0.05), reraise=True
    )
    again(connection.execute, "PRAGMA journal_mode = WAL")


def _sqlite(url: URL, *, writes: bool) -> Engine:
    engine = create_engine(url, connect_args={} if "timeout" in url.query else {"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver guesses
        run = connection.execute
        run("PRAGMA foreign_keys = ON")
        if writes:
            _keep_a_log(connection)
            run("PRAGMA synchronous = FULL")
            run("PRAGMA fullfsync = ON")  # macOS: without it a flush stops at the drive's own cache
        else:
            run("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that began as a reader could not wait for another one: SQLite would refuse it at once.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _prepare(connection: Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        # Two that open a new store at once must not both make its tables. (SQLite: the transaction is enough.)
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    tables = set(inspect(connection).get_table_names())
    if schema.version.name not in tables:
        if tables & set(schema.metadata.tables) or (tables and connection.dialect.name == "sqlite"):
            raise StoreError(f"{name} is a database of something else: name another file for the store")
        schema.metadata.create_all(connection)
        connection.execute(schema.version.insert(), {"version": schema.VERSION})
    found = connection.execute(select(schema.version.c.version)).scalar_one()
    if found > schema.VERSION:
        raise StoreError(
            f"The store {name} was written by a newer Winnow (its version is {found}, this one knows "
            f"{schema.VERSION}): upgrade Winnow, or name another store"
        )


@contextmanager
def sentences(name: str) -> Iterator[None]:
    """Database errors inside become StoreErrors about the store called `name`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, UnicodeEncodeError) as error:
        raise as_sentence(error, name) from error


def as_sentence(error: BaseException, name: str) -> StoreError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _SQLITE:
        return StoreError(_SQLITE[code & 0xFF].format(name=name, cause=cause))
    if isinstance(error, UnicodeEncodeError):
        return StoreError(f"A name for the store {name} is not valid Unicode: {error.object!r}")
    if isinstance(error, IntegrityError):
        # SQLite's extended code, PostgreSQL's state
        known = _INTEGRITY.get(code or getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None))
        return StoreError(f"The store {name} {known or 'refused a row'} ({_first(cause)})")
    return StoreError(f"The store {name} failed: {_first(cause)}")


def _first(error: BaseException | None) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _hide(url: str) -> str:
    return re.sub(r"://.*@", "://***@", url).partition("?")[0]


_TWICE = "holds this step already: does another process work on the run? Nothing was changed"
_ORPHAN = "knows no such run, or lacks a text that a step needs: nothing was written"
_INTEGRITY = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: _TWICE,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: _ORPHAN,
    "23505": _TWICE,
    "23503": _ORPHAN,
}
_CLOSED_FOLDER = "The store {name} cannot be opened: check that its folder can be read and written"
_LOCKED = "The store {name} stayed locked by another process: end that one, or try again"
_SQLITE = {
    sqlite3.SQLITE_FULL: "The disk with the store {name} is full: make room and resume; what was written "
    "before is kept",
    sqlite3.SQLITE_IOERR: "The store {name} could not be written or read ({cause}; the disk, a quota or a "
    "limit on file size): mend that and resume; what was written before is kept",
    sqlite3.SQLITE_READONLY: "The store {name} cannot be written, its disk or folder is read-only: name "
    "another file with --store or WINNOW_STORE",
    sqlite3.SQLITE_CANTOPEN: _CLOSED_FOLDER,
    sqlite3.SQLITE_PERM: _CLOSED_FOLDER,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_NOTADB: "{name} is no SQLite database: name another file for the store",
    sqlite3.SQLITE_CORRUPT: "The store {name} is damaged ({cause}): use a copy, or save what can be saved "
    "with `sqlite3 FILE .recover`",
}
