"""The form of every reply: blocks between marker lines, easy to write and hard to write by accident.

A block opens with a line `<<<<< NAME` (some with an argument: `<<<<< EDIT src/a.py`) and closes with `>>>>>
END`. Some are a single line (`<<<<< DONE`), some are divided by lines such as `===== FIND`. A marker is a
whole line that starts in the first column, so code, prose that mentions a marker, fences and conflict markers
cannot open or end a block. Where a content line is exactly a marker, a backslash before it makes it content;
one backslash is taken off.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

END = ">>>>> END"


class ReplyError(Exception):
    """A reply that cannot be used. The message is the reason, in words that let the model mend it."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a block of one name looks like: an argument on its first line, a body, dividers in it.

    content: of the body, or of each of its parts, for grammars (`grammar`): "text", which may be empty, "said", which
    may not, or "script".
    """

    argument: bool = False
    body: bool = True
    dividers: tuple[str, ...] = ()
    content: str = "text"


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a reply.

    parts: (divider, lines) in order; the lines before the first divider come as ("", lines).
    number: the line of the reply on which it opens, from 1.
    """

    name: str
    argument: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    number: int

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of a block without dividers."""
        return self.parts[0][1] if self.parts else ()


FORMS: Mapping[str, Form] = {
    "EDIT": Form(argument=True, dividers=("FIND", "REPLACE")),
    "CREATE": Form(argument=True),
    "DELETE": Form(argument=True, body=False),
    "TEST": Form(content="script"),
    "DONE": Form(body=False),
    "RELEVANT": Form(),
    "NOT RELEVANT": Form(body=False),
    "RANKING": Form(),
}
"""The blocks of this room's prompts. Another room hands its own mapping to `read_blocks`."""

_ESCAPED = re.compile(r"(\\+)(?=[<=>]{5} )")
_NEARLY = re.compile(r"\s*[`*]*[<=>]{3,9}\s*/?\w*[A-Z]{3,}|\s+[<=>]{5} [A-Z]")


def read_blocks(
    reply: str, forms: Mapping[str, Form] = FORMS, only: Collection[str] = ()
) -> tuple[Block, ...]:
    """Every block of a reply, in order. Prose around them is ignored, and a thought before them.

    only: the names that are allowed here (all where empty). Raises ReplyError where a block is not closed,
    lacks its argument or is not allowed, or where there is none at all.
    """
    blocks: list[Block] = []
    lines = without_thought(reply).split("\n")
    open_at = -1
    for i, line in enumerate(lines):
        name, argument = _opening(line, forms)
        if open_at >= 0:
            if name:
                raise ReplyError(_not_closed(lines, open_at, i))
            if _is_end(line):
                blocks.append(_block(lines, open_at, i, forms))
                open_at = -1
        elif name:
            if forms[name].argument and not argument:
                raise ReplyError(
                    f"Line {i + 1}, `{line.strip()}`, must also name a file: `<<<<< {name} path/of/file`."
                )
            if forms[name].body:
                open_at = i
            else:
                blocks.append(Block(name, argument, (), i + 1))
        elif line.strip().endswith("</think>"):
            blocks.clear()
    if open_at >= 0:
        raise ReplyError(_not_closed(lines, open_at, len(lines)))
    if not blocks:
        raise ReplyError(_nothing(lines, only or forms))
    for block in blocks:
        if only and block.name not in only:
            raise ReplyError(
                f"The block `<<<<< {block.name}` on line {block.number} has no place here. "
                f"Allowed are: {_names(only)}."
            )
    return tuple(blocks)


def write_block(name: str, argument: str, parts: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """A block as a model would write it, marker lines in its content escaped: `read_blocks` backwards."""
    lines = [f"<<<<< {name} {argument}".rstrip()]
    for divider, content in parts:
        lines += [f"===== {divider}"] if divider else []
        lines += [escape(line) for line in content]
    return "\n".join([*lines, END])


def escape(line: str, forms: Mapping[str, Form] = FORMS) -> str:
    """A content line as it must be written inside a block."""
    return "\\" + line if _is_marker(line.lstrip("\\"), forms) else line


def unfence(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Without the code fence around all of the lines, where there is one (and blank lines outside it)."""
    inner = list(lines)
    while inner and not inner[0].strip():
        inner.pop(0)
    while inner and not inner[-1].strip():
        inner.pop()
    if len(inner) < 2:
        return lines
    opening = re.fullmatch(r"(`{3,}|~{3,})[^`]*", inner[0].strip())
    if opening and inner[-1].strip() == opening[1]:
        return tuple(inner[1:-1])
    return lines


def _block(lines: list[str], start: int, end: int, forms: Mapping[str, Form]) -> Block:
    name, argument = _opening(lines[start], forms)
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in lines[start + 1 : end]:
        divider = _divider(line, forms[name])
        if divider:
            parts.append((divider, []))
        else:
            parts[-1][1].append(_unescape(line.removesuffix("\r"), forms))
    return Block(name, argument, tuple((divider, tuple(content)) for divider, content in parts), start + 1)


def _opening(line: str, forms: Mapping[str, Form]) -> tuple[str, str]:
    """(name, argument) of a line that opens a block, ("", "") of any other line."""
    if not line.startswith("<<<<< "):
        return "", ""
    rest = line[6:].strip()
    if rest in forms:
        return rest, ""
    name, _, argument = rest.partition(" ")
    if name in forms and forms[name].argument:
        return name, argument.strip()
    return "", ""


def _divider(line: str, form: Form) -> str:
    word = line[6:].rstrip()
    return word if line.startswith("===== ") and word in form.dividers else ""


def _is_end(line: str) -> bool:
    return line.rstrip() == END


def _is_marker(line: str, forms: Mapping[str, Form]) -> bool:
    if _is_end(line) or _opening(line, forms)[0]:
        return True
    return any(_divider(line, form) for form in forms.values())


def _unescape(line: str, forms: Mapping[str, Form]) -> str:
    escaped = _ESCAPED.match(line)
    return line[1:] if escaped and _is_marker(line[escaped.end() :], forms) else line


def without_thought(reply: str) -> str:
    """Without a leading <think>...</think>, which servers that know no reasoning leave in the text."""
    if reply.lstrip().startswith("<think>") and "</think>" in reply:
        return reply.split("</think>", 1)[1]
    return reply


def _not_closed(lines: list[str], start: int, end: int) -> str:
    """Why the block that opens at `start` is wrong, given that no end stands before `end`."""
    opening = f"The block `{lines[start].strip()}` is not closed by a line `{END}`"
    if end < len(lines):
        return (
            f"{opening} before the next marker `{lines[end].strip()}`. Close every block; where that line is "
            "meant as content, put a backslash before it."
        )
    for line in lines[start + 1 :]:
        if _NEARLY.match(line) and "END" in line.upper():
            return f"{opening}: `{line.strip()}` is not it. Write `{END}` alone, at the start of its line."
    return f"{opening}: the reply ends in the middle of it. Send it again, complete, and keep it short."


def _nothing(lines: list[str], names: Collection[str]) -> str:
    for line in lines:
        if _NEARLY.match(line):
            return (
                f"`{line.strip()[:100]}` is not a marker line. The lines that open a block "
                f"are: {_names(names)}; each stands alone on its line, starting in the first column."
            )
    return f"There is no block in the reply. Write one of: {_names(names)}."


def _names(names: Collection[str]) -> str:
    return ", ".join(f"`<<<<< {name}`" for name in names)
