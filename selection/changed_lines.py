"""The lines that a unified diff changes, as its text has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FILE = re.compile(r'^diff --git "?a/.* "?b/(.+?)"?$')
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def changed_lines(patch: str) -> Iterator[tuple[str, str, str]]:
    """(path, "+" or "-", the line's text) of each changed line, and (path, "", "") where each file begins.

    Lines are counted inside hunks only, so "--- " headers are none.
    """
    old_left = new_left = 0
    path = ""
    for line in patch.split("\n"):
        if old_left > 0 or new_left > 0:
            old_left -= line[:1] in ("-", " ", "")
            new_left -= line[:1] in ("+", " ", "")
            if line[:1] in ("+", "-"):
                yield path, line[0], line[1:]
        elif match := _HUNK.match(line):
            old_left, new_left = (int(group) if group is not None else 1 for group in match.groups())
        elif match := _FILE.match(line):
            path = match[1]
            yield path, "", ""
