"""Edits to the files of a repository as a model writes them: replace lines, create a file, delete a file.

An edit is always relative to the original code, so that a rewritten edit never depends on the one before.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .blocks import Block, ReplyError, read_blocks, unfence, write_block
from .matching import FileLines, Lines, closest, locate

EDIT_BLOCKS = ("EDIT", "CREATE", "DELETE")
_PROSE = frozenset({".md", ".mdx", ".markdown", ".rst", ".txt", ".adoc", ""})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class EditError(ReplyError):
    """Edits that cannot be read or applied. The message has a reason for each that lets the model mend it."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `replace` where `find` stands: whole lines, without their ends."""

    path: str
    find: Lines
    replace: Lines


@dataclass(frozen=True, slots=True)
class Create:
    """A new file with this text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """The file goes."""

    path: str


Edit = Replace | Create | Delete


@dataclass(frozen=True, slots=True)
class Applied:
    """What edits make of the original code: new text by changed path (None: deleted), what was forgiven."""

    changed: dict[str, str | None]
    notes: tuple[str, ...] = ()


def parse_edits(reply: str | Sequence[Block]) -> list[Edit]:
    """The edits of a reply (or of the blocks already read from it), in order. Raises EditError."""
    if isinstance(reply, str):
        try:
            reply = read_blocks(reply, only=EDIT_BLOCKS)
        except ReplyError as error:
            raise EditError(str(error)) from None
    edits: list[Edit] = []
    for block in reply:
        if block.name == "DELETE":
            edits.append(Delete(block.argument))
        elif block.name == "CREATE":
            edits.append(Create(block.argument, _new_text(block)))
        elif block.name == "EDIT":
            edits += _replacements(block)
    if not edits:
        raise EditError("There is no edit in the reply.")
    return edits


def write_edits(edits: Sequence[Edit]) -> str:
    """The reply that says exactly these edits (a text of `Create` must end with a line end, or be empty)."""
    blocks = []
    for edit in edits:
        match edit:
            case Replace(path, find, replace):
                blocks.append(write_block("EDIT", path, (("FIND", find), ("REPLACE", replace))))
            case Create(path, text):
                blocks.append(write_block("CREATE", path, (("", tuple(text.split("\n")[:-1])),)))
            case Delete(path):
                blocks.append(f"<<<<< DELETE {path}")
    return "\n\n".join(blocks)


def apply_edits(
    read: Callable[[str], str | None],
    edits: Sequence[Edit],
    files: Collection[str] = (),
    occupied: Callable[[str], bool] = lambda path: False,
) -> Applied:
    """What the edits make of the original code, all of them relative to it.

    read: the text of a file of the repository, None where it is missing or no text. files: every path there
    is, to tell a missing file from a binary one and to name near ones. occupied: whether something that is no
    text file (a folder, a link, a submodule) stands at a path or on the way to it. Raises EditError with one
    line for each edit that cannot be applied.
    """
    problems: list[str] = []
    notes: list[str] = []
    places: dict[str, list[tuple[int, int, Lines, int]]] = {}
    texts: dict[str, FileLines] = {}
    changed: dict[str, str | None] = {}
    whole: set[str] = set()
    for number, edit in enumerate(edits, 1):
        try:
            path = _checked(edit.path, files)
            old = read(path)
            if path in whole or (path in places and not isinstance(edit, Replace)):
                raise EditError(f"{path} is changed as a whole and once more: say it in one block.")
            match edit:
                case Create(text=text):
                    _may_create(path, old, files, occupied)
                    changed[path] = text
                    whole.add(path)
                case Delete():
                    _must_exist(path, old, files, occupied)
                    changed[path] = None
                    whole.add(path)
                case Replace():
                    text = _must_exist(path, old, files, occupied)
                    if text is None:
                        raise EditError(f"{path} is no text file (no UTF-8): it cannot be edited.")
                    file = texts.setdefault(path, FileLines.of(text))
                    start, stop, new, note = _place(path, file, edit)
                    notes += [f"Edit {number}, {path}: {note}."] if note else []
                    _must_be_free(path, places.setdefault(path, []), start, stop, number)
                    places[path].append((start, stop, new, number))
        except EditError as error:
            problems.append(f"Edit {number}: {error}")
    if problems:
        raise EditError("\n".join(problems))
    for path, found in places.items():
        changed[path] = texts[path].replaced(
            [(a, b, new) for a, b, new, _ in sorted(found, key=lambda p: p[:2])]
        )
    changed = {path: text for path, text in changed.items() if text is None or text != read(path)}
    if not changed:
        raise EditError("The edit changes nothing: the new lines are the same as the old ones.")
    return Applied(changed, tuple(notes))


def _replacements(block: Block) -> list[Edit]:
    head = f"The block `<<<<< EDIT {block.argument}`"
    form = "it must be `===== FIND`, the old lines, `===== REPLACE`, the new lines, `>>>>> END`"
    (_, before), *parts = block.parts
    if any(line.strip() and not line.strip().startswith("```") for line in before) or not parts:
        if not parts:
            raise EditError(f"{head} has no line `===== FIND`: {form}.")
        raise EditError(f"{head} has text before its line `===== FIND`: {form}.")
    names = [name for name, _ in parts]
    if names != ["FIND", "REPLACE"] * (len(names) // 2):
        raise EditError(f"{head} has the dividers {', '.join(names)}: {form}.")
    return [Replace(block.argument, parts[i][1], parts[i + 1][1]) for i in range(0, len(parts), 2)]


def _new_text(block: Block) -> str:
    lines = block.lines
    if PurePosixPath(block.argument.strip("`'\"")).suffix.lower() not in _PROSE:
        lines = unfence(lines)
    return "".join(line + "\n" for line in lines)


def _checked(path: str, files: Collection[str]) -> str:
    """The path as the repository knows it. Raises EditError where it does not lie inside the repository."""
    if path in files:
        return path
    for plain in (path.strip("`'\" "), path.strip("`'\" ").replace("\\", "/")):
        if plain in files:
            return plain
    plain = path.strip("`'\" ")
    parts = plain.replace("\\", "/").split("/")
    if _CONTROL.search(plain) or not plain or plain.endswith("/"):
        raise EditError(f"`{plain}` is not the path of a file.")
    if plain.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:[\\/]", plain):
        raise EditError(f"`{plain}` is an absolute path: write it relative to the repository's root.")
    if ".." in parts:
        raise EditError(f"`{plain}` leads out of the repository: write it without `..`.")
    if any(part.lower() == ".git" for part in parts):
        raise EditError(f"`{plain}` lies in .git, which must not be changed.")
    if any(len(part.encode("utf-8", "replace")) > 255 for part in parts) or len(plain) > 1000:
        raise EditError(f"`{plain[:100]}...` is too long for a path.")
    normal = str(PurePosixPath(plain))
    if normal == ".":
        raise EditError(f"`{plain}` is not the path of a file.")
    return normal


def _may_create(path: str, old: str | None, files: Collection[str], occupied: Callable[[str], bool]) -> None:
    if old is not None or path in files:
        raise EditError(f"{path} exists already: change it with an EDIT block.")
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    file_as_folder = next((parent for parent in parents if parent in files), None)
    if file_as_folder:
        raise EditError(f"{path} cannot be created: {file_as_folder} is a file, not a folder.")
    if any(name.startswith(path + "/") for name in files):
        raise EditError(f"{path} cannot be created: it is a folder.")
    if occupied(path):
        raise EditError(f"{path} cannot be created: a link, a folder or an ignored file is in its place.")


def _must_exist(
    path: str, old: str | None, files: Collection[str], occupied: Callable[[str], bool]
) -> str | None:
    if old is not None or path in files:
        return old
    if occupied(path):
        raise EditError(f"{path} is no file that can be edited: it is, or lies behind, a link or a folder.")
    names = sorted(files)
    near = difflib.get_close_matches(path, names, n=3, cutoff=0.6)
    same = [name for name in names if name.rpartition("/")[2] == path.rpartition("/")[2]][:3]
    also = list(dict.fromkeys([*same, *near]))[:3]
    hint = f" Did you mean {' or '.join(also)}?" if also else " A new file is made with a CREATE block."
    raise EditError(f"there is no file {path} in the repository.{hint}")


def _place(path: str, file: FileLines, edit: Replace) -> tuple[int, int, Lines, str]:
    """(start, stop, new lines, what was forgiven) of a replacement."""
    if not any(line.strip() for line in edit.find):
        if any(line.strip() for line in file.lines):
            raise EditError(
                f"its FIND part is empty, and {path} is not: copy the lines that shall be replaced (to add "
                "lines, copy a line next to them and repeat it in REPLACE)."
            )
        return 0, len(file.lines), edit.replace, ""
    match = locate(file, edit.find, edit.replace)
    if match is None:
        near = closest(file, edit.find)
        lines = f" The closest lines are:\n{near}" if near else ""
        raise EditError(f"its FIND part is not in {path}. Copy whole lines exactly as they are.{lines}")
    if len(match.starts) > 1:
        at = ", ".join(str(start) for start in match.starts[:10]) + (
            ", ..." if len(match.starts) > 10 else ""
        )
        raise EditError(
            f"its FIND part is in {path} {len(match.starts)} times, beginning on lines {at}. Copy more lines "
            "around the one you mean, so that it is there only once."
        )
    return match.start, match.stop, match.new, match.forgiven


def _must_be_free(
    path: str, taken: list[tuple[int, int, Lines, int]], start: int, stop: int, number: int
) -> None:
    for other_start, other_stop, _, other in taken:
        if (start < other_stop and other_start < stop) or (start, stop) == (other_start, other_stop):
            raise EditError(
                f"it and edit {other} both change lines {max(start, other_start) + 1}-"
                f"{max(1, min(stop, other_stop))} of {path}: make them one edit."
            )
