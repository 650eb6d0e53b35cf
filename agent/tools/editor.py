"""The editor: view, create, replace, insert, undo. It knows what it did, so that it can take it back."""

from __future__ import annotations

import hashlib
import shlex

from ..matching import FileLines
from .editing import decoded, encoded, inserted, numbered, replaced
from .places import Place, look
from .workplace import Edit, ToolError, Workplace

LARGEST = 2 << 20
"""Bytes of a file that the editor opens."""
_AROUND = 4
"""Lines shown before and after what was changed."""
_MOST_NAMES = 200


async def view(work: Workplace, path: str, start: int = 1, end: int | None = None) -> str:
    """The lines `start` to `end` of a file, numbered; of a folder what is in it, two levels deep."""
    place = await look(work, path)
    if place.kind == "folder":
        return await _listing(work, place)
    text = decoded(await _content(work, place), place.path)
    total = len(FileLines.of(text).lines)
    if not total:
        return f"{place.path} is empty."
    if start < 1 or start > total or (end is not None and end < start):
        raise ToolError(
            f"{place.path} has the lines 1 to {total}: {start} to {end or total} is no part of them."
        )
    shown, last = numbered(text, start, total if end is None else end, work.chars)
    notes = ["the lines end in CRLF"] if "\r\n" in text else []
    if last < min(total, total if end is None else end):
        notes.append(f"lines {last + 1} to {total} are not shown: view them by another start and end")
    return shown + (f"\n[{'; '.join(notes)}]" if notes else "")


async def create(work: Workplace, path: str, text: str) -> str:
    """Write a new file."""
    place = await look(work, path)
    if place.kind == "folder":
        raise ToolError(f"{place.path} is a folder.")
    if place.kind == "file":
        raise ToolError(
            f"{place.path} exists: change it with replace or insert, or remove it with bash first."
        )
    await _write(work, place, None, encoded(text))
    return f"Created {place.path} ({len(text.splitlines())} lines)."


async def replace(work: Workplace, path: str, find: str, replace: str) -> str:
    """Put `replace` in place of the one place where `find` stands."""
    place, old = await _to_change(work, path)
    new, line = replaced(decoded(old, place.path), find, replace, place.path)
    await _write(work, place, old, encoded(new))
    return _after(place, new, line, max(1, replace.count("\n") + (not replace.endswith("\n"))))


async def insert(work: Workplace, path: str, line: int, text: str) -> str:
    """Put lines after line `line`."""
    place, old = await _to_change(work, path)
    new, at = inserted(decoded(old, place.path), line, text, place.path)
    await _write(work, place, old, encoded(new))
    return _after(place, new, at, text.removesuffix("\n").count("\n") + 1)


async def undo(work: Workplace, path: str) -> str:
    """Take back the editor's last change of a file."""
    place = await look(work, path)
    history = work.edits.get(place.path)
    if not history:
        raise ToolError(f"The editor has changed nothing in {place.path} that could be taken back.")
    last = history[-1]
    now = await _content(work, place) if place.kind == "file" else None
    if now != last.after:
        raise ToolError(
            f"{place.path} was changed by something else since the editor's last change, which can therefore not be "
            "taken back: edit it as it is now."
        )
    history.pop()
    if last.before is None:
        result = await work.run(f"rm -f -- {shlex.quote('./' + place.path)}")
        if result.exit_code:
            raise ToolError(f"{place.path} cannot be removed: {result.output.strip()[-200:]}")
        return f"{place.path} is removed again."
    await work.sandbox.write(place.path, last.before, last.mode)
    _reached(work, place.path, last.before)
    return f"{place.path} is as it was before the last change."


async def _to_change(work: Workplace, path: str) -> tuple[Place, bytes]:
    place = await look(work, path)
    if place.kind == "folder":
        raise ToolError(f"{place.path} is a folder.")
    return place, await _content(work, place)


async def _content(work: Workplace, place: Place) -> bytes:
    if place.kind != "file":
        raise ToolError(
            f"{place.path} does not exist. Look for it with search, or view the folder it should be in."
        )
    content = await work.sandbox.read(place.path, LARGEST + 1)
    if len(content) > LARGEST:
        raise ToolError(f"{place.path} is larger than {LARGEST >> 20} MiB: read parts of it with bash.")
    return content


async def _write(work: Workplace, place: Place, before: bytes | None, after: bytes) -> None:
    await work.sandbox.write(place.path, after, place.mode)
    history = work.edits.setdefault(place.path, [])
    if not history and before is not None:
        _reached(work, place.path, before)
    history.append(Edit(before, after, place.mode))
    _reached(work, place.path, after)


def _reached(work: Workplace, path: str, content: bytes) -> None:
    work.reached[path, hashlib.sha256(content).digest()] += 1


def _after(place: Place, text: str, line: int, count: int) -> str:
    shown, _ = numbered(text, max(1, line - _AROUND), line + min(count, 60) - 1 + _AROUND, 6_000)
    return (
        f"Changed {place.path}, which now reads around there:\n{shown}"
        if shown
        else f"{place.path} is empty now."
    )


async def _listing(work: Workplace, place: Place) -> str:
    at = "." if place.path == "." else shlex.quote("./" + place.path)
    result = await work.run(
        f"find {at} -mindepth 1 -maxdepth 2 -name .git -prune -o -mindepth 1 -maxdepth 2 "
        "\\( -type d -exec printf '%s/\\n' {} \\; -o -print \\) 2>/dev/null | LC_ALL=C sort"
    )
    names = [name.removeprefix("./") for name in result.output.splitlines() if name]
    more = f"\n[{len(names) - _MOST_NAMES} more]" if len(names) > _MOST_NAMES else ""
    return ("\n".join(names[:_MOST_NAMES]) or f"{place.path} is an empty folder.") + more
