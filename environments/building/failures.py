"""Builds that fail, and the few lines of a long output that say why."""

from __future__ import annotations

import re

_MATTERS = re.compile(
    r"(?i)^\s*(?:error|fatal|e  |×|╰─▶|├─▶|cause:|hint:|because|and because|we can conclude|caused by)|"
    r"\b(?:\w*Error|\w*Exception)\b:|\berror:|No module named|not found|No such file|Failed to (?:build|download|fetch)"
)
_NOISE = re.compile(
    r"^\s*(?:Resolved|Prepared|Downloading|Downloaded|Building|Built|Installed|\+ |- |~ |Using |warning:)"
)
_MOST = 12


class BuildFailed(Exception):
    """A world that cannot be made. sentence: what, where. lines: what the failing step said, as far as it matters."""

    def __init__(self, sentence: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__("\n  ".join((sentence, *lines)))
        self.sentence, self.lines = sentence, lines


class StepFailed(Exception):
    """One step of one way did not work: another way may. output: all that it said."""

    def __init__(self, step: str, output: str, why: str = "") -> None:
        super().__init__(f"{step} failed{': ' + why if why else ''}")
        self.step, self.output = step, output

    @property
    def lines(self) -> tuple[str, ...]:
        return lines_that_matter(self.output)


def lines_that_matter(output: str) -> tuple[str, ...]:
    """At most a dozen lines: those that name an error, else the last ones."""
    lines = [line.rstrip()[:300] for line in output.splitlines() if line.strip()]
    kept = [line for line in lines if _MATTERS.search(line) and not _NOISE.match(line)]
    kept = list(dict.fromkeys(kept))
    if not kept:
        kept = [line for line in lines if not _NOISE.match(line)] or lines
        return tuple(kept[-_MOST:])
    return tuple(kept if len(kept) <= _MOST else [*kept[: _MOST // 2], "...", *kept[-_MOST // 2 :]])
