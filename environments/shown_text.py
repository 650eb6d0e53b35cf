r"""Foreign text made fit to be shown: what moves a cursor, hides or reorders becomes visible, and nothing is dropped.

Foreign is whatever Winnow did not write itself: code, names, issues, replies, outputs, patches, errors. Terminals obey
some characters of it and readers cannot see others, so each of these is shown as Python writes it: `\x1b`, `\u202e`.
A text that holds the six characters `\u202e` looks the same; what is exact is a patch's file, or JSON.

Made visible: control characters but line feed and tab (a carriage return overwrites its line; so CRLF shows as `\r`),
bidirectional controls, everything without width or shape, tags, separators that break lines, lone surrogates and other
code points that stand for nothing, and combining marks beyond four on one letter. Kept, because people write with them:

- the joiner in an emoji, between two of its parts, and the selector that makes one coloured;
- joiner and non-joiner between two letters of scripts that need them (Arabic, Persian, those of India and others);
- one variation selector after a Chinese, Japanese or Korean character;
- letters that are written from right to left: they are letters, and no control.

Flags of England, Scotland and Wales are spelt with tags and show as such.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u2300-\u23ff\u24c2\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_JOINING = (
    "\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06ff\u0700-\u070d\u0710-\u07ff\u0840-\u088e\u0898-\u08e1"
    "\u08e3-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u1820-\u18aa\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc"
)
_HAN = "\u2e80-\u2fdf\u3001-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003fffd"
_NONCHARACTERS = "".join(chr(plane + 0xFFFE) + chr(plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000))
_SUSPECT = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufdd0-\ufdef\ud800-\udfff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    f"{_NONCHARACTERS}"
)
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_ASCII_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ASCII_LINE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class _Patterns:
    """in_text, in_line: one class of characters each, which is searched ten times as fast as alternatives would be.
    kept: at such a character, whether what is around it makes it fit.
    """

    in_text: re.Pattern[str]
    in_line: re.Pattern[str]
    kept: re.Pattern[str]
    marks_too_many: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    # Compiled when the first text comes that is not ASCII: --help has none, and is printed before one notices.
    kept = (
        f"(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}])",
        f"(?<=[{_EMOJI}]\ufe0f)\u200d(?=[{_EMOJI}])",
        f"(?<=[{_EMOJI}])[\ufe0e\ufe0f]",
        "(?<=[0-9#*])\ufe0f(?=\u20e3)",
        f"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])",
        f"(?<=[{_HAN}])[\ufe00-\ufe0f\U000e0100-\U000e01ef]",
    )
    return _Patterns(
        re.compile(f"[{_SUSPECT}]"),
        re.compile(rf"[\n\t{_SUSPECT}]"),
        re.compile("|".join(kept)),
        re.compile(f"(?<=[{_MARKS}]{{4}})[{_MARKS}]+"),
    )


def visible(text: str) -> str:
    """A text of any number of lines, every unfit character written out."""
    if text.isascii():
        return _ASCII_TEXT.sub(_written_out, text)
    return _few_marks(_patterns().in_text.sub(_written_out, text))


def visible_line(text: str) -> str:
    """A text that must stay on its line (an id, a name, a title, a cell): line feeds and tabs are written out too."""
    if text.isascii():
        return _ASCII_LINE.sub(_written_out, text)
    return _few_marks(_patterns().in_line.sub(_written_out, text))


def unfit_characters(text: str) -> list[str]:
    """The unfit characters in a text, each once, in the order in which they come."""
    found = dict.fromkeys(each[0] for each in _patterns().in_text.finditer(text) if not _kept(each))
    return list(found | dict.fromkeys("".join(_patterns().marks_too_many.findall(text))))


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON for programs: it reads back the same, and unfit characters are JSON's own escapes."""
    return _patterns().in_text.sub(_escaped, json.dumps(value, indent=indent, ensure_ascii=False))


def _kept(found: re.Match[str]) -> bool:
    return found[0] in _SOMETIMES and _patterns().kept.match(found.string, found.start()) is not None


def _written_out(found: re.Match[str]) -> str:
    return found[0] if _kept(found) else _code(found[0])


def _few_marks(text: str) -> str:
    return _patterns().marks_too_many.sub(lambda run: "".join(map(_code, run[0])), text)


def _code(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    return (
        f"\\x{number:02x}"
        if number < 0x100
        else f"\\u{number:04x}"
        if number < 0x10000
        else f"\\U{number:08x}"
    )


def _escaped(found: re.Match[str]) -> str:
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


_SOMETIMES = frozenset(map(chr, (0x200C, 0x200D, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
