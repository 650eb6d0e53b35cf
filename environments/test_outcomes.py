"""The outcome of a test, and one outcome for each name of what a run said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Outcome = Literal["passed", "failed", "error", "skipped"]
Results = dict[str, Outcome]

_WORST: tuple[Outcome, ...] = ("error", "failed", "passed", "skipped")


def merge(pairs: Iterable[tuple[str, Outcome]]) -> Results:
    """One outcome for each name: of several (a body and its teardown, two binaries) the worst."""
    results: Results = {}
    for name, outcome in pairs:
        known = results.get(name)
        results[name] = outcome if known is None else min(known, outcome, key=_WORST.index)
    return results
