"""Tool calls in plain text, for models that have none of their own: one fenced block, whose first line names the tool.

    ```replace src/shop/cart.py
    ===== FIND
        return sum(prices)
    ===== REPLACE
        return round(sum(prices), 2)
    ```

A block is closed by a line of as many backticks as opened it, or more, so that a longer fence may hold shorter ones.
Blocks of other names are prose. Where a line of the content is a divider, a backslash before it makes it content.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

from .blocks import ReplyError, without_thought
from .tools import TOOLS, Call
from .tools.table import checked

ALIASES = {"sh": "bash", "shell": "bash", "console": "bash"}
"""Other names under which models write a command."""
_FENCE = re.compile(r"^(`{3,})[ \t]*([\w-]*)(.*)$")
_DIVIDERS = ("===== FIND", "===== REPLACE")
_ESCAPED = re.compile(r"\\*(?:" + "|".join(map(re.escape, _DIVIDERS)) + r")[ \t]*")


@dataclass(frozen=True, slots=True)
class _Block:
    name: str
    rest: str
    lines: tuple[str, ...]


def read_call(reply: str, names: Collection[str]) -> Call:
    """The one call of a reply; `wrong` where its arguments cannot be read. Raises ReplyError: none, or several."""
    every = _blocks(without_thought(reply))
    blocks = [block for block in every if block.name in TOOLS]
    if not blocks:
        raise ReplyError(
            "There is no tool block in the reply. Write exactly one, a fence of three backticks followed by the "
            f"tool's name on the same line: {', '.join(names)}."
        )
    if len(blocks) > 1:
        raise ReplyError(
            f"There are {len(blocks)} tool blocks in the reply ({', '.join(block.name for block in blocks)}): "
            "write exactly one, and see what it says before the next."
        )
    if every[-1] is not blocks[0]:
        raise ReplyError(
            f"There is a further fence after the {blocks[0].name} block. Where it belongs to the block's content, open "
            "and close the block with four backticks or more; otherwise leave it out."
        )
    if blocks[0].name not in names:
        raise ReplyError(f"There is no tool {blocks[0].name!r} here: there are {', '.join(names)}.")
    return _call(blocks[0])


def write_call(call: Call) -> str:
    """The call as a model would write it: `read_call` backwards, for texts that are whole lines."""
    known = TOOLS[call.name].arguments
    words = [
        shlex.quote(str(call.arguments[name]))
        for name, a in known.items()
        if not a.body and name in call.arguments
    ]
    if call.name == "replace":
        find, new = call.arguments["find"], call.arguments["replace"]
        lines = [_DIVIDERS[0], *map(_escaped, (find if new else find.removesuffix("\n")).split("\n"))]
        lines += [_DIVIDERS[1], *map(_escaped, new.split("\n") if new else [])]
    elif call.name == "submit":
        lines = list(call.arguments.get("scratch", ()))
    else:
        lines = [
            line
            for name, argument in known.items()
            if argument.body
            for line in (_lines(call.arguments[name]) if name == "text" else call.arguments[name].split("\n"))
        ]
    longest = max((len(run) for line in lines for run in re.findall(r"^`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{' '.join([call.name, *words])}", *lines, fence])


def _blocks(reply: str) -> list[_Block]:
    """Every fenced block, those of prose too: a fence must not be taken for the end of another."""
    blocks: list[_Block] = []
    opened: tuple[str, str, str] | None = None
    lines: list[str] = []
    for line in reply.replace("\r\n", "\n").split("\n"):
        found = _FENCE.match(line)
        if opened is None:
            if found and "`" not in found[3]:
                opened, lines = (found[1], found[2], found[3].strip()), []
        elif found and len(found[1]) >= len(opened[0]) and not (found[2] or found[3].strip()):
            blocks.append(_Block(ALIASES.get(opened[1], opened[1]), opened[2], tuple(lines)))
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        raise ReplyError(
            f"A block that opens with `{opened[0]}{opened[1]}` is not closed, or a fence stands inside of it: close it "
            "with a line of as many backticks; where the text has such lines itself, use four or more for the block."
        )
    return blocks


def _call(block: _Block) -> Call:
    known = TOOLS[block.name].arguments
    try:
        words = shlex.split(block.rest)
    except ValueError:
        words = block.rest.split()
    plain = [name for name, argument in known.items() if not argument.body]
    if len(words) > len(plain):
        wanted = " ".join(plain) or "nothing more"
        return Call(
            block.name,
            wrong=f"After ```{block.name} the first line has {len(words)} words: it takes {wanted} (put a name with "
            "spaces in quotes).",
        )
    arguments: dict[str, object] = dict(zip(plain, words, strict=False))
    if block.name == "replace":
        if wrong := _divided(block.lines, arguments):
            return Call(block.name, wrong=wrong)
    elif block.name == "submit":
        arguments["scratch"] = [line.strip() for line in block.lines if line.strip()]
    else:
        for name in (name for name, argument in known.items() if argument.body):
            arguments[name] = "\n".join(block.lines)
            if name == "text" and block.lines:
                arguments[name] += "\n"
    return checked(Call(block.name, arguments))


def _divided(lines: tuple[str, ...], arguments: dict[str, object]) -> str:
    """Put the two parts of a replace block into its arguments; why they cannot be told, "" where they can."""
    marks = [line.rstrip() if line.rstrip() in _DIVIDERS else "" for line in lines]
    if [mark for mark in marks if mark] != list(_DIVIDERS):
        return (
            "A replace block has one line `===== FIND`, then the lines to find, one line `===== REPLACE`, then the new "
            "lines. For several places write several replies."
        )
    first, second = marks.index(_DIVIDERS[0]), marks.index(_DIVIDERS[1])
    find = [_unescaped(line) for line in lines[first + 1 : second]]
    new = [_unescaped(line) for line in lines[second + 1 :]]
    # Lines are whole: where nothing takes their place, their end goes with them.
    arguments["find"] = "\n".join(find) + ("" if new or not find else "\n")
    arguments["replace"] = "\n".join(new)
    return ""


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _escaped(line: str) -> str:
    return "\\" + line if _ESCAPED.fullmatch(line) else line


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\") and _ESCAPED.fullmatch(line) else line
