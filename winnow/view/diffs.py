"""Diffs as rows that a template can show: files, hunks, lines with both numbers. Any text is taken, none is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from environments import patch_warning

MOST = 3_000
"""Lines of one diff that are shown."""
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """kind: "add", "del", "same", "hunk" or "note". old, new: its numbers in both files, "" where it has none."""

    kind: str
    text: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file's changes. what: "new", "deleted", "renamed", "binary" or ""."""

    path: str
    what: str
    added: int
    removed: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """files in the order of the patch; left_out: lines beyond those that are shown; warning: of what a reader would not
    see in the patch itself, "" without any.
    """

    files: tuple[FileDiff, ...]
    added: int
    removed: int
    left_out: int = 0
    warning: str = ""


def is_diff(text: str) -> bool:
    """Whether a text begins as a unified diff does."""
    begins = text.lstrip("\n")
    return begins.startswith("diff --git ") or (begins.startswith("--- ") and "\n+++ " in begins[:2_000])


def read_diff(patch: str, most: int = MOST) -> Diff:
    """A unified diff by file, `most` lines of it. What belongs to no file (words around it) is left out."""
    lines = patch.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    shown, left_out = lines[:most], max(0, len(lines) - most)
    files = [_file(some) for some in _by_file(shown)]
    return Diff(
        tuple(files),
        sum(file.added for file in files),
        sum(file.removed for file in files),
        left_out,
        patch_warning(patch),
    )


def replacement(path: str, old: Sequence[str], new: Sequence[str]) -> FileDiff:
    """Lines that take other lines' place, whose numbers nobody knows."""
    lines = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [Line("same", text) for text in old[a:b]]
        else:
            lines += [Line("del", text) for text in old[a:b]] + [Line("add", text) for text in new[c:d]]
    return _counted(path, "", lines[:MOST])


def _by_file(lines: Sequence[str]) -> list[list[str]]:
    files: list[list[str]] = []
    git = any(line.startswith("diff --git ") for line in lines)
    left = 0  # lines of the hunk that are still to come: inside of it "--- " is a removed line
    for at, line in enumerate(lines):
        begins = line.startswith("diff --git ") if git else _is_header(lines, at)
        if begins and left <= 0:
            files.append([])
        if files:
            files[-1].append(line)
        left = _left(line, left)
    return files


def _is_header(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _left(line: str, left: int) -> int:
    """Lines of a hunk that come after this one, counted on both sides together."""
    if found := re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
        return sum(int(count) if count is not None else 1 for count in found.groups())
    if left > 0 and not line.startswith("\\"):
        return left - (1 if line[:1] in "+-" and line else 2)
    return left


def _file(lines: Sequence[str]) -> FileDiff:
    path, what, shown = "", "", []
    old = new = left = 0
    for line in lines:
        found = _HUNK.match(line)
        if found and left <= 0:
            old, new = int(found[1]), int(found[2])
            shown.append(Line("hunk", found[3] or f"line {found[2]}"))
            left = _left(line, 0)
        elif left > 0:
            left = _left(line, left)
            if line.startswith("+"):
                shown.append(Line("add", line[1:], "", str(new)))
                new += 1
            elif line.startswith("-"):
                shown.append(Line("del", line[1:], str(old), ""))
                old += 1
            elif line.startswith("\\"):
                shown.append(Line("note", line[2:]))
            else:
                shown.append(Line("same", line[1:], str(old), str(new)))
                old, new = old + 1, new + 1
        else:
            path, what = _header(line, path, what)
            if line.startswith("\\"):
                shown.append(Line("note", line[2:]))
    return _counted(path or "(no name)", what, shown)


def _header(line: str, path: str, what: str) -> tuple[str, str]:
    if line.startswith("diff --git "):
        path = line.rpartition(" b/")[2] or line.removeprefix("diff --git ")
    elif line.startswith("+++ ") and not line.startswith("+++ /dev/null"):
        path = line[4:].split("\t")[0].removeprefix("b/")
    elif line.startswith("--- ") and not line.startswith("--- /dev/null"):
        path = path or line[4:].split("\t")[0].removeprefix("a/")
    elif line.startswith("new file"):
        what = "new"
    elif line.startswith("deleted file"):
        what = "deleted"
    elif line.startswith("rename to "):
        path, what = line.removeprefix("rename to "), "renamed"
    elif line.startswith(("Binary files", "GIT binary patch")):
        what = "binary"
    return path, what


def _counted(path: str, what: str, lines: Sequence[Line]) -> FileDiff:
    return FileDiff(
        path,
        what,
        sum(line.kind == "add" for line in lines),
        sum(line.kind == "del" for line in lines),
        tuple(lines),
    )
