"""What the editor makes of a text: pure functions. Line ends and bytes that are no UTF-8 stay as they are."""

from __future__ import annotations

from ..matching import FileLines, closest
from .workplace import ToolError


def decoded(content: bytes, path: str) -> str:
    """A file's text, other bytes as surrogates. Raises ToolError where it is no text."""
    if b"\0" in content[:8_192]:
        raise ToolError(f"{path} is a binary file: the editor shows and edits text.")
    return content.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def replaced(text: str, find: str, replace: str, path: str) -> tuple[str, int]:
    """(the text with the one place where `find` stands replaced, the line on which that begins, from 1).

    Line ends are those of the file, however they were written. Raises ToolError where `find` does not stand there
    exactly once, with what is nearest to it.
    """
    if not find:
        raise ToolError("The text to find is empty: copy the lines that are to be replaced.")
    if find == replace:
        raise ToolError("The text to find and its replacement are the same: nothing would change.")
    if "\r\n" in text and find not in text:
        find, replace = _windows(find), _windows(replace)
    count = _places(text, find)
    if not count:
        near = closest(FileLines.of(text), tuple(find.replace("\r\n", "\n").rstrip("\n").split("\n")))
        shown = near.encode("utf-8", "replace").decode()
        raise ToolError(
            f"The text to find does not stand in {path}: copy it from the file exactly, with its indentation."
            + (f" The nearest lines are:\n{shown}" if shown else f" View {path} first.")
        )
    if len(count) > 1:
        lines = ", ".join(str(text.count("\n", 0, at) + 1) for at in count[:20])
        raise ToolError(
            f"The text to find stands {len(count)} times in {path}, beginning on lines {lines}"
            f"{' and more' if len(count) > 20 else ''}: add a few lines around it, so that only one place is meant."
        )
    at = count[0]
    return text[:at] + replace + text[at + len(find) :], text.count("\n", 0, at) + 1


def inserted(text: str, line: int, new: str, path: str) -> tuple[str, int]:
    """(the text with whole lines put after line `line`, the line on which they begin). 0: at the beginning."""
    if not new:
        raise ToolError("There is no text to insert.")
    file = FileLines.of(text)
    if not 0 <= line <= len(file.lines):
        raise ToolError(
            f"{path} has {len(file.lines)} lines: the line to insert after is 0 to {len(file.lines)}."
        )
    end = next((end for end in file.ends if end), "\n")
    lines = new.replace("\r\n", "\n").removesuffix("\n").split("\n")
    pieces = [each + its for each, its in zip(file.lines, file.ends, strict=True)]
    if line and line == len(pieces) and not file.ends[-1]:
        pieces[-1] += end  # the last line had none
        added = [each + end for each in lines[:-1]]
        added.append(lines[-1] or end)  # an empty line is there only by its end
    else:
        added = [each + end for each in lines]
    return file.mark + "".join(pieces[:line] + added + pieces[line:]), line + 1


def numbered(text: str, start: int, end: int, chars: int) -> tuple[str, int]:
    """(lines `start` to `end` with their numbers, the last one shown): as many as go into `chars` characters."""
    lines = FileLines.of(text).lines
    shown: list[str] = []
    room = chars
    for number in range(start, min(end, len(lines)) + 1):
        line = lines[number - 1].encode("utf-8", "replace").decode()
        if len(line) > 1_000:
            line = f"{line[:1_000]} [... {len(line) - 1_000} more characters on this line]"
        row = f"{number:>6}\t{line}"
        room -= len(row) + 1
        if room < 0 and shown:
            return "\n".join(shown), number - 1
        shown.append(row)
    return "\n".join(shown), min(end, len(lines))


def _windows(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _places(text: str, find: str) -> list[int]:
    """Where `find` begins, overlapping places too: which of them is meant nobody could say."""
    places, at = [], text.find(find)
    while at >= 0:
        places.append(at)
        at = text.find(find, at + 1)
    return places
