"""What can be said of a patch from elsewhere without its repository: how it is written, and which files it names.

Nothing is refused for it: git decides whether a patch applies, when it is graded (environments/patches.py mends what
can be mended). This is so that a person sees what came in (SAFETY 20).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from environments import is_test

EMPTY = "empty"
NO_DIFF = "no diff in it"
CRLF = "lines end with CRLF"
NO_PREFIX = "names without a/ and b/"
WRONG_COUNTS = "hunks of other lengths than they say"
TESTS = "changes tests"
ONLY_TESTS = "changes nothing but tests"
OUTSIDE = "names a path outside the repository"
BINARY = "has a binary file in it"

_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_GIT = re.compile(r'diff --git "?(.+?)"? "?(\S+?)"?$')
_NOWHERE = "/dev/null"


@dataclass(frozen=True, slots=True)
class Look:
    """How a patch looks. remarks: some of the words above. paths: of the files it names, without a/ and b/, sorted."""

    remarks: tuple[str, ...]
    paths: tuple[str, ...] = ()


def look_at(patch: str) -> Look:
    """Look at a patch, whatever text it is."""
    if not patch.strip():
        return Look((EMPTY,))
    lines = patch.split("\n")
    pairs, prefixed = _names(lines)
    if not pairs:
        return Look((NO_DIFF,))
    paths = tuple(sorted({path for pair in pairs for path in pair if path}))
    tests = [is_test(path) for path in paths]
    remarks = {
        CRLF: sum(line.endswith("\r") for line in lines) * 2 > len(lines),
        NO_PREFIX: not prefixed,
        WRONG_COUNTS: _wrong_counts(lines),
        BINARY: any(line.startswith(("GIT binary patch", "Binary files ")) for line in lines),
        OUTSIDE: any(path.startswith("/") or ".." in path.split("/") for path in paths),
        ONLY_TESTS: bool(tests) and all(tests),
        TESTS: any(tests) and not all(tests),
    }
    return Look(tuple(remark for remark, holds in remarks.items() if holds), paths)


def _names(lines: list[str]) -> tuple[list[tuple[str, str]], bool]:
    """(old, new) name of each file, "" for none; and whether all of them begin with a/ and b/."""
    found = [
        (_name(old[4:]), _name(new[4:]))
        for old, new in pairwise(lines)
        if old.startswith("--- ") and new.startswith("+++ ")
    ]
    # Renames, modes and binary files have no such lines.
    for line in lines:
        if match := _GIT.match(line.rstrip("\r")):
            found.append((match[1], match[2]))
    named = [(old, new) for old, new in found if old or new]
    prefixed = all(old.startswith("a/") or not old for old, _ in named)
    prefixed = prefixed and all(new.startswith("b/") or not new for _, new in named)
    if prefixed:
        named = [(old[2:], new[2:]) for old, new in named]
    return named, prefixed


def _name(words: str) -> str:
    name = words.split("\t")[0].strip().strip('"')
    return "" if name == _NOWHERE else name


def _wrong_counts(lines: list[str]) -> bool:
    """Whether a hunk has other numbers of lines than its header says."""
    lines = lines[:-1] if lines and not lines[-1].strip("\r") else lines
    for place, line in enumerate(lines):
        if match := _HUNK.match(line):
            wanted = [1 if count is None else int(count) for count in match.groups()]
            if _lengths(lines, place + 1, wanted) != wanted:
                return True
    return False


def _lengths(lines: list[str], start: int, wanted: list[int]) -> list[int]:
    """Old and new lines of the hunk that begins at `start`, counted until the next header.

    A line such as "--- x" ends a hunk only where the hunk has all its lines: it may be a deleted "-- x".
    """
    old = new = 0
    for place in range(start, len(lines)):
        line = lines[place].rstrip("\r")
        full = [old, new] == wanted
        if line.startswith(("@@ -", "diff --git ")) or (
            full and line.startswith(("--- ", "index ", "Only in "))
        ):
            break
        if (
            not full
            and line.startswith("--- ")
            and place + 1 < len(lines)
            and lines[place + 1].startswith("+++ ")
        ):
            following = lines[place + 2] if place + 2 < len(lines) else ""
            if following.startswith("@@ -"):
                break
        if line.startswith("\\"):
            continue
        old += not line.startswith("+")
        new += not line.startswith("-")
    return [old, new]
