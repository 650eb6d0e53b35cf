"""The tables, and the four kinds of rows that are written in bulk.

Texts of requests are stored once each, by digest. A conversation is a chain of nodes, each naming its parent,
so that its n-th turn adds what is new and nothing else; a step keeps the chain's tip. Texts that are long, or
that a database cannot hold as text, are in a `packed` column beside the plain one (see store.texts).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite

VERSION = 1

metadata = MetaData()


def _name(column: str, **options: Any) -> Column:
    return Column(column, Text, nullable=False, **options)


def _run() -> Column:
    return Column("run", Text, ForeignKey("runs.run"), nullable=False)


version = Table("winnow_store", metadata, Column("version", Integer, nullable=False))

runs = Table(
    "runs",
    metadata,
    _name("run", primary_key=True),
    _name("kind"),
    _name("status"),
    _name("config"),
    Column("started", Double, nullable=False),
    Column("ended", Double),
)

leases = Table(
    "leases",
    metadata,
    Column("run", Text, ForeignKey("runs.run"), primary_key=True),
    _name("holder"),
    _name("host"),
    _name("place"),
    Column("pid", Integer, nullable=False),
    _name("pid_started"),
    Column("beat", Double, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    _run(),
    _name("task"),
    _name("body"),
    UniqueConstraint("run", "task"),
)

trajectories = Table(
    "trajectories",
    metadata,
    Column("id", Integer, primary_key=True),
    _run(),
    _name("task"),
    _name("trajectory"),
    Column("ending", Text),
    Column("is_result", Boolean, nullable=False),
    _name("detail"),
    _name("body"),
    UniqueConstraint("run", "task", "trajectory"),
)

results = Table(
    "results",
    metadata,
    Column("id", Integer, primary_key=True),
    _run(),
    _name("task"),
    _name("kind"),
    _name("name"),
    _name("body"),
    UniqueConstraint("run", "task", "kind", "name"),
)

texts = Table(
    "texts",
    metadata,
    _name("digest", primary_key=True),
    Column("text", Text),
    Column("packed", LargeBinary),
    sqlite_with_rowid=False,
)

nodes = Table(
    "nodes",
    metadata,
    _name("node", primary_key=True),
    Column("parent", Text, ForeignKey("nodes.node")),
    _name("label"),
    Column("digest", Text, ForeignKey("texts.digest"), nullable=False),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    Column("id", Integer, primary_key=True),
    _run(),
    _name("task"),
    _name("trajectory"),
    _name("branch"),
    Column("position", Integer, nullable=False),
    Column("sample", Integer, nullable=False),
    _name("kind"),
    Column("tip", Text, ForeignKey("nodes.node")),
    Column("settings", Text, ForeignKey("texts.digest")),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("cost", Double),
    Column("started", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("answer", Text),
    Column("answer_packed", LargeBinary),
    UniqueConstraint("run", "task", "trajectory", "branch", "position", "sample"),
)

# In this order a batch keeps every foreign key.
BULK = ("texts", "nodes", "tasks", "trajectories", "results", "steps")


def bulk_statements(dialect: str) -> dict[str, Any]:
    """The statement that writes rows of each bulk table, for "sqlite" or "postgresql".

    Content-addressed rows may be there already; named ones are replaced; a step is written once or is an
    error.
    """
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]

    def replace(table: Table) -> Any:
        (unique,) = (c for c in table.constraints if isinstance(c, UniqueConstraint))
        names = [column.name for column in unique.columns]
        new = insert(table)
        others = {c.name: new.excluded[c.name] for c in table.c if c.name not in ("id", *names)}
        return new.on_conflict_do_update(index_elements=names, set_=others)

    return {
        "texts": insert(texts).on_conflict_do_nothing(),
        "nodes": insert(nodes).on_conflict_do_nothing(),
        "tasks": replace(tasks),
        "trajectories": replace(trajectories),
        "results": replace(results),
        "steps": steps.insert(),
    }
