"""Which generated tests count, how many votes a candidate has from them, and which candidates are one patch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from agent import Candidate, Run

from .evidence import UNFIXED, Evidence, Test
from .names import id_order

_STOPPED = {
    "timeout": "does not end in time",
    "memory": "uses more memory than it may",
    "disk": "writes more to the disk than it may",
}
_HUNK = re.compile(r"(@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@).*")


def counting(evidence: Evidence) -> tuple[tuple[Test, ...], Mapping[str, str]]:
    """The tests that count, ordered by id, and for each other one why it says nothing.

    A test counts when it exits 2 on the unfixed code, the agreed sign that the issue is present. One that passes
    there, or crashes, would pass or crash for reasons that are not the issue's (unlike CodeMonkeys, where it votes).
    """
    tests, silent = [], {}
    for test in sorted(evidence.tests, key=lambda test: id_order(test.id)):
        reason = _silent(evidence.cells.get((UNFIXED, test.id)))
        if reason:
            silent[test.id] = reason
        else:
            tests.append(test)
    return tuple(tests), silent


def votes_of(candidate: str, evidence: Evidence) -> int:
    """How many of the counting tests exit 0 on this candidate. A test that was not run on it is no vote."""
    tests, _ = counting(evidence)
    return sum(passes(evidence.cells.get((candidate, test.id))) for test in tests)


def passes(run: Run | None) -> bool:
    """Whether a run says that the issue is solved."""
    return run is not None and run.shows_solved


def distinct(candidates: Iterable[Candidate]) -> tuple[tuple[Candidate, ...], ...]:
    """Candidates in groups of one patch, each group and the groups by id. Blob names and hunk titles do not count."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda candidate: id_order(candidate.id)):
        groups.setdefault(_plain(candidate.patch), []).append(candidate)
    return tuple(tuple(group) for group in groups.values())


def _silent(run: Run | None) -> str:
    if run is None:
        return "was not run on the unfixed code"
    if run.shows_issue:
        return ""
    if run.shows_solved:
        return "passes on the unfixed code"
    what = _STOPPED.get(run.ended, "ends its sandbox") if run.ended != "exited" else f"exits {run.exit_code}"
    also = ", where 2 says that the issue is present" if run.ended == "exited" else ""
    return f"{what} on the unfixed code{also}"


@lru_cache(maxsize=256)
def _plain(patch: str) -> str:
    lines = (line for line in patch.strip("\n").split("\n") if not line.startswith("index "))
    return "\n".join(_HUNK.sub(r"\1", line) for line in lines)
