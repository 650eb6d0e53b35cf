"""What `winnow doctor` asks of a backend: does it work here, and if not, the one thing to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """name: the backend's. why: one sentence, also when it works. cure: one command or step, empty when it works."""

    name: str
    works: bool
    why: str
    cure: str = ""
