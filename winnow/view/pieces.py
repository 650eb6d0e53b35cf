"""A text as a model or a prompt writes it, in pieces that are shown each in its own way: words, code, diffs, edits.

Nothing is interpreted further: no Markdown, no HTML. A piece that does not close is code to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .diffs import Diff, FileDiff, is_diff, read_diff, replacement

LONGEST = 20_000
"""Characters of one text that a page shows; the rest is behind a link."""
_FENCE = re.compile(r"^(`{3,}|~{3,})\s*([\w+.#-]*)")
_EDIT = re.compile(r"^<<<<< (EDIT|CREATE) (.+)$")
_BLOCK = re.compile(r"^<<<<< ([A-Z][A-Z ]+)$")


@dataclass(frozen=True, slots=True)
class Piece:
    """kind: "words", "code" or "diff". title: a fence's language, or a block's name."""

    kind: str
    text: str = ""
    title: str = ""
    diff: Diff | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A text in pieces; left_out: characters beyond those that are shown."""

    pieces: tuple[Piece, ...]
    left_out: int = 0


def shown(text: str, limit: int = LONGEST) -> Shown:
    """The text's beginning in pieces."""
    return Shown(tuple(_pieces(text[:limit].split("\n"))), max(0, len(text) - limit))


def code(text: str, limit: int = LONGEST) -> Shown:
    """A text that is no prose (an output, a script): one piece, a diff where it is one."""
    if is_diff(text):
        return Shown((_diff(text[:limit]),), max(0, len(text) - limit))
    pieces = (Piece("code", text[:limit]),) if text else ()
    return Shown(pieces, max(0, len(text) - limit))


def _pieces(lines: list[str]) -> Iterator[Piece]:
    words: list[str] = []
    at = 0
    while at < len(lines):
        end, piece = _framed(lines, at)
        if piece is None:
            words.append(lines[at])
            at += 1
            continue
        if any(line.strip() for line in words):
            yield Piece("words", "\n".join(words).strip("\n"))
        words = []
        yield piece
        at = end
    if any(line.strip() for line in words):
        yield Piece("words", "\n".join(words).strip("\n"))


def _framed(lines: list[str], at: int) -> tuple[int, Piece | None]:
    """The piece that begins on this line, and the line after it; None where none does."""
    if fence := _FENCE.match(lines[at]):
        inside, end = _until(lines, at + 1, lambda line: line.startswith(fence[1]) and not line.strip("`~ "))
        text = "\n".join(inside)
        return end, _diff(text) if is_diff(text) else Piece("code", text, fence[2])
    if edit := _EDIT.match(lines[at]):
        inside, end = _until(lines, at + 1, lambda line: line == ">>>>> END")
        files = tuple(_edits(edit[2], inside)) if edit[1] == "EDIT" else (replacement(edit[2], [], inside),)
        return end, _of_files(f"{edit[1].lower()} {edit[2]}", files)
    if block := _BLOCK.match(lines[at]):
        if block[1] in ("DONE", "NOT RELEVANT") or not any(line == ">>>>> END" for line in lines[at:]):
            return at + 1, Piece("code", lines[at], "")
        inside, end = _until(lines, at + 1, lambda line: line == ">>>>> END")
        return end, Piece("code", "\n".join(inside), block[1].lower())
    return at, None


def _until(lines: list[str], at: int, closes) -> tuple[list[str], int]:  # type: ignore[no-untyped-def]
    for end in range(at, len(lines)):
        if closes(lines[end]):
            return lines[at:end], end + 1
    return lines[at:], len(lines)


def _edits(path: str, lines: list[str]) -> Iterator[FileDiff]:
    """Each pair of FIND and REPLACE in an EDIT block."""
    old: list[str] = []
    new: list[str] = []
    into: list[str] | None = None
    for line in lines:
        if line == "===== FIND":
            if old or new:
                yield replacement(path, old, new)
            old, new = [], []
            into = old
        elif line == "===== REPLACE":
            into = new
        elif into is not None:
            into.append(line)
    if old or new:
        yield replacement(path, old, new)


def _diff(text: str) -> Piece:
    return Piece("diff", text, "", read_diff(text))


def _of_files(title: str, files: tuple[FileDiff, ...]) -> Piece:
    return Piece("diff", "", title, Diff(files, sum(f.added for f in files), sum(f.removed for f in files)))
