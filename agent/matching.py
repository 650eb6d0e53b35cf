"""Finding the place in a file that an edit means: whole lines, exact first, then with models' usual slips."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from .blocks import unfence

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileLines:
    """A text taken apart so that it can be put together again: byte order mark, lines, each line's end."""

    mark: str
    lines: Lines
    ends: Lines

    @staticmethod
    def of(text: str) -> FileLines:
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        pieces = text[len(mark) :].split("\n")
        ends = ["\n"] * (len(pieces) - 1) + [""]
        if not pieces[-1]:
            pieces.pop()
            ends.pop()
        for i, end in enumerate(ends):
            if end and pieces[i].endswith("\r"):
                pieces[i], ends[i] = pieces[i][:-1], "\r\n"
        return FileLines(mark, tuple(pieces), tuple(ends))

    def replaced(self, changes: Sequence[tuple[int, int, Lines]]) -> str:
        """The text with lines [start, stop) replaced, disjoint and in order. New lines end as the old did."""
        out = [self.mark]
        done = 0
        for start, stop, new in changes:
            out += [
                line + end for line, end in zip(self.lines[done:start], self.ends[done:start], strict=True)
            ]
            ends = [self._end(start)] * len(new)
            if ends and stop == len(self.lines) and self.ends and not self.ends[-1]:
                ends[-1] = ""
            out += [line + end for line, end in zip(new, ends, strict=True)]
            done = stop
        out += [line + end for line, end in zip(self.lines[done:], self.ends[done:], strict=True)]
        return "".join(out)

    def _end(self, at: int) -> str:
        return next((end for end in (*self.ends[at : at + 1], *self.ends) if end), "\n")


@dataclass(frozen=True, slots=True)
class Match:
    """Where a search stands: lines [start, stop), what to put there, and what was forgiven ("" for nothing).

    starts: every place that matches, from line 1 (more than one: ambiguous).
    """

    start: int
    stop: int
    new: Lines
    forgiven: str
    starts: tuple[int, ...]


def locate(file: FileLines, find: Lines, replace: Lines) -> Match | None:
    """The place that `find` means, None where nothing in the file is close enough.

    Tried in this order, the first that matches anywhere is taken: the lines as written; without a code fence
    around them; without blank lines at their ends. Each exactly, then apart from trailing white space, then
    shifted by one indentation (the new lines are shifted with them).
    """
    for written, new, slip in _variants(find, replace):
        if not any(line.strip() for line in written):
            continue
        for compare, allowed in ((_exactly, ""), (_but_for_ends, "white space at line ends differed")):
            starts = [i for i in _windows(file, written) if compare(file.lines, i, written)]
            if starts:
                return _match(starts, written, new, _and(slip, allowed))
        shifted = _shifted(file, written, new, slip)
        if shifted:
            return shifted
    return None


def _variants(find: Lines, replace: Lines) -> list[tuple[Lines, Lines, str]]:
    variants = [(find, replace, "")]
    bare = unfence(find)
    if bare != find:
        variants.append((bare, unfence(replace), "a code fence was taken off"))
        find, replace = bare, unfence(replace)
    above = next((i for i, line in enumerate(find) if line.strip()), 0)
    below = next((i for i, line in enumerate(reversed(find)) if line.strip()), 0)
    if above or below:
        variants.append(
            (
                find[above : len(find) - below],
                _without_blank_ends(replace, above, below),
                "blank lines were taken off",
            )
        )
    return variants


def _without_blank_ends(lines: Lines, above: int, below: int) -> Lines:
    while above and lines and not lines[0].strip():
        lines, above = lines[1:], above - 1
    while below and lines and not lines[-1].strip():
        lines, below = lines[:-1], below - 1
    return lines


def _windows(file: FileLines, find: Lines) -> range:
    return range(len(file.lines) - len(find) + 1)


def _exactly(lines: Lines, at: int, find: Lines) -> bool:
    return lines[at] == find[0] and lines[at : at + len(find)] == find


def _but_for_ends(lines: Lines, at: int, find: Lines) -> bool:
    return all(lines[at + j].rstrip() == line.rstrip() for j, line in enumerate(find))


def _shifted(file: FileLines, find: Lines, replace: Lines, slip: str) -> Match | None:
    found = [(i, shift) for i in _windows(file, find) if (shift := _shift(file.lines, i, find)) is not None]
    if not found:
        return None
    added, removed = found[0][1]
    new = _moved(replace, added, removed)
    if new is None:
        return None
    starts = [i for i, _ in found]
    return _match(starts, find, new, _and(slip, "the indentation was shifted to the file's"))


def _shift(lines: Lines, at: int, find: Lines) -> tuple[str, str] | None:
    """(white space to add, white space to remove) that makes every line of `find` the file's."""
    shift = None
    for j, line in enumerate(find):
        there, here = lines[at + j].rstrip(), line.rstrip()
        if there.lstrip() != here.lstrip():
            return None
        if not here:
            continue
        own = there[: len(there) - len(there.lstrip())]
        written = here[: len(here) - len(here.lstrip())]
        if own.endswith(written):
            this = (own[: len(own) - len(written)], "")
        elif written.endswith(own):
            this = ("", written[: len(written) - len(own)])
        else:
            return None
        if shift not in (None, this):
            return None
        shift = this
    return shift


def _moved(lines: Lines, added: str, removed: str) -> Lines | None:
    if any(line.strip() and not line.startswith(removed) for line in lines):
        return None
    return tuple(added + line[len(removed) :] if line.strip() else line for line in lines)


def _match(starts: list[int], find: Lines, new: Lines, forgiven: str) -> Match:
    return Match(starts[0], starts[0] + len(find), new, forgiven, tuple(start + 1 for start in starts))


def _and(one: str, other: str) -> str:
    return " and ".join(part for part in (one, other) if part)


def closest(file: FileLines, find: Lines) -> str:
    """The lines of the file most like `find`, numbered, and the first that differs. "" where none is."""
    bare = [line.strip() for line in file.lines]
    wanted = [line.strip() for line in find]
    size = max(1, min(len(wanted), 12))
    at = _most_equal(bare, wanted) if any(wanted) else None
    if at is None:
        longest = max(wanted, key=len, default="")
        near = (
            difflib.get_close_matches(longest, dict.fromkeys(bare[:20_000]), n=1, cutoff=0.6)
            if longest
            else []
        )
        if not near:
            return ""
        at = max(0, bare.index(near[0]) - wanted.index(longest))
    first, last = max(0, at - 1), min(len(bare), at + size + 1)
    shown = "\n".join(f"{i + 1:>5}| {file.lines[i][:200]}" for i in range(first, last))
    for j, line in enumerate(find):
        there = file.lines[at + j] if at + j < len(file.lines) else None
        if there is None:
            return f"{shown}\nThe file ends before line {j + 1} of the FIND part, `{line[:200]}`."
        if there.rstrip() != line.rstrip():
            difference = f"you wrote `{line[:200]}`, the file has `{there[:200]}`"
            return f"{shown}\nFirst difference, on line {at + j + 1}: {difference}."
    return shown


def _most_equal(bare: list[str], wanted: list[str]) -> int | None:
    """Where most lines stand at their place, white space aside; None where no line of substance does."""
    places: dict[str, list[int]] = {}
    for i, line in enumerate(bare):
        places.setdefault(line, []).append(i)
    scores: dict[int, int] = {}
    for j, line in enumerate(wanted):
        for i in places.get(line, ()) if len(line) > 3 else ():
            if i >= j:
                scores[i - j] = scores.get(i - j, 0) + 1
    return min(scores, key=lambda at: (-scores[at], at)) if scores else None
