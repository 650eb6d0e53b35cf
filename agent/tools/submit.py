"""Submit: the agent says that it is done."""

from __future__ import annotations

from collections.abc import Sequence

from .places import relative
from .workplace import Workplace


async def submit(work: Workplace, scratch: Sequence[str] = ()) -> str:
    """The work is done. scratch: files that the agent made for itself, which are no part of its change."""
    work.submitted = tuple(relative(path, work.root) for path in scratch if path.strip() not in ("", "."))
    return "Submitted."
