"""Where Winnow keeps things: one data folder per user, and one folder per run in it."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store import Store


def data_folder() -> Path:
    """$WINNOW_HOME, else the platform's folder for a user's data (XDG base directories on Linux)."""
    if home := os.environ.get("WINNOW_HOME"):
        return Path(home).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "winnow"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "winnow"


def sandboxes_folder() -> Path:
    """Where the overlay backend keeps its layers, by run."""
    return data_folder() / "sandboxes"


def worlds_folder(run: str) -> Path:
    """Where a run's frozen repositories lie: what `resume` and a later selection need."""
    return data_folder() / "worlds" / run


def new_run_id(name: str) -> str:
    """A run's id: date and time, a readable part of `name`, four random hex digits: "20261121-0640-humanize-3f2a"."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or "run"
    return f"{time.strftime('%Y%m%d-%H%M')}-{readable}-{secrets.token_hex(2)}"


def open_users_store(where: str | None = None) -> Store:
    """The store at `where` (a file or an SQLAlchemy URL), by default the one in the data folder. Raises StoreError."""
    from models.secrets import KNOWN
    from store import open_store

    KNOWN.learn_environment()
    if where:
        return open_store(where, redact=KNOWN.redact)
    data_folder().mkdir(parents=True, exist_ok=True)
    return open_store(data_folder() / "winnow.db", redact=KNOWN.redact)
