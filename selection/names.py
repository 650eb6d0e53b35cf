"""An order of ids in which attempt-2 stands before attempt-10: the last tie-break everywhere, never arrival."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4096)  # each ranking sorts by it a few hundred times
def id_order(name: str) -> tuple[tuple[str | int, ...], str]:
    """A sort key: runs of digits by their value, the rest as text; the plain id where that ties ("1" and "01")."""
    pieces = re.split(r"([0-9]+)", name)
    return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces)), name
