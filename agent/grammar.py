"""The form of a reply as a grammar (GBNF, llama.cpp's), for models too small to keep to it by themselves.

A grammar accepts what the readers (`blocks`, `tool_text`) accept in its plain form: prose, then blocks, then nothing,
no line of their content beginning like a marker. It accepts nothing that they refuse. Lengths are bounded, so that a
model that never comes to an end by itself comes to one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from models import Bounds, ReplyForm

from .blocks import FORMS, Form

MOST_BLOCKS = 8
"""Blocks of a reply that may have several (edits)."""
_MOST_NAMES = 500
"""Alternatives of a line or an argument at most: so many were seen to take no time."""
_INTERPRETERS = ("python3", "python", "bash", "sh", "node", "ruby", "perl", "php", "lua", "julia", "Rscript")
_CONTROL = r"\x00-\x08\x0A-\x1F\x7F"
_SPACES = r"\x00-\x20\x7F-\xA0\u1680\u2000-\u200F\u2028-\u202F\u205F\u3000\uFEFF"


@dataclass(frozen=True, slots=True)
class Known:
    """What lines and arguments may say, by the name of a block or of a divider in it.

    first: of the first line. only: of each line, of which there is at least one. heads: each line is one of these, with
    more after a colon or not. arguments: on a block's first line. Where there are very many, anything may be said.
    """

    first: Mapping[str, Sequence[str]] = field(default_factory=dict)
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    heads: Mapping[str, Sequence[str]] = field(default_factory=dict)
    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict)


def reply_form(
    *choices: str | tuple[str, ...],
    forms: Mapping[str, Form] = FORMS,
    first_lines: Mapping[str, Sequence[str]] | None = None,
    only_lines: Mapping[str, Sequence[str]] | None = None,
    line_heads: Mapping[str, Sequence[str]] | None = None,
    arguments: Mapping[str, Sequence[str]] | None = None,
) -> ReplyForm:
    """The form of a reply that holds one of these blocks; of a tuple's one or more. For the rest see `Known`."""
    known = Known(*(_some(said or {}) for said in (first_lines, only_lines, line_heads, arguments)))

    def grammar(bounds: Bounds) -> str:
        groups = [(choice,) if isinstance(choice, str) else choice for choice in choices]
        names = dict.fromkeys(name for group in groups for name in group)
        rules = [f"{_id(name)} ::= {_block(name, forms[name], known, bounds)}" for name in names]
        root = " | ".join(
            _group(group, isinstance(c, tuple)) for group, c in zip(groups, choices, strict=True)
        )
        return "\n".join([f'root ::= prose? ({root}) "\\n"?', *rules, *_lines(bounds)]) + "\n"

    return grammar


def words_form(*words: str) -> ReplyForm:
    """The form of a reply that is one of these words."""
    return lambda bounds: f"root ::= {_any(words)}\n"


def tools_form(names: Collection[str]) -> ReplyForm:
    """The form of a reply that calls one of these tools in text (`tool_text`)."""

    def grammar(bounds: Bounds) -> str:
        calls = {name: _CALLS[name] for name in _CALLS if name in names}
        rules = [f"{name} ::= {rule}" for name, rule in calls.items()]
        return (
            "\n".join([f'root ::= prose? ({" | ".join(calls)}) "\\n"?', *rules, *_fenced_lines(bounds)])
            + "\n"
        )

    return grammar


def _group(names: Sequence[str], several: bool) -> str:
    ids = " | ".join(map(_id, names))
    return f'(({ids}) ("\\n" "\\n"? ({ids})){{0,{MOST_BLOCKS - 1}}})' if several else ids


def _id(name: str) -> str:
    return name.lower().replace(" ", "-")


def _some(said: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Those with some words, and not too many. Words that are no plain line are left out: no line could say them."""
    plain = {name: [w for w in words if w.isprintable() and w == w.strip()] for name, words in said.items()}
    return {name: words for name, words in plain.items() if 0 < len(words) <= _MOST_NAMES}


def _block(name: str, form: Form, known: Known, bounds: Bounds) -> str:
    opening = f'"<<<<< {name}"'
    if form.argument:
        named = f"({_any(known.arguments[name])})" if name in known.arguments else "path"
        opening = f'"<<<<< {name} " {named}'
    if not form.body:
        return opening
    parts = [f'"===== {word}\\n" {_content(word, form, known, bounds)}' for word in form.dividers]
    return f'{opening} "\\n" {" ".join(parts) or _content(name, form, known, bounds)} ">>>>> END"'


def _content(name: str, form: Form, known: Known, bounds: Bounds) -> str:
    """Of a block, or of a part of it. name: the block's or the divider's."""
    if name in known.only:
        return f'(({_any(known.only[name])}) "\\n"){{1,{min(len(known.only[name]), bounds.lines)}}}'
    if name in known.heads:
        return f'(({_any(known.heads[name])}) (":" rest)? "\\n"){{1,{min(len(known.heads[name]), bounds.lines)}}}'
    return f'({_any(known.first[name])}) "\\n" few' if name in known.first else form.content


def _any(words: Sequence[str]) -> str:
    return " | ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)


def _lines(bounds: Bounds) -> list[str]:
    """The rules of lines in and around blocks. `said` and `script` have at least one line that says something."""
    return [
        'prose ::= opening "\\n" few',
        f'few ::= (line "\\n"){{0,{max(1, bounds.lines // 8)}}}',
        f'text ::= (line "\\n"){{0,{bounds.lines}}}',
        'said ::= opening "\\n" text',
        'script ::= (shebang "\\n" "\\n"?)? code "\\n" text',
        f'shebang ::= ("#!/usr/bin/env " | "#!/bin/" | "#!/usr/bin/") ({_any(_INTERPRETERS)})',
        # A first line that is no further shebang, no fence, no indentation.
        f'code ::= [^<>=#`~{_SPACES}] rest | "#" ([^!{_CONTROL}] rest)?',
        f"opening ::= [^<>={_SPACES}] rest",
        # A line that does not begin like a marker: five of its characters and a space.
        f'line ::= ([^<>={_CONTROL}] rest | "<" lt-1 | ">" gt-1 | "=" eq-1)?',
        *_unlike("lt", "<"),
        *_unlike("gt", ">"),
        *_unlike("eq", "="),
        *_short(bounds),
    ]


def _unlike(name: str, mark: str) -> list[str]:
    """What may follow one, two ... five marks at the beginning of a line."""
    return [f'{name}-{i} ::= ([^{mark}{_CONTROL}] rest | "{mark}" {name}-{i + 1})?' for i in range(1, 5)] + [
        f"{name}-5 ::= ([^ {_CONTROL}] rest)?"
    ]


def _short(bounds: Bounds) -> list[str]:
    return [
        f"rest ::= [^{_CONTROL}]{{0,{bounds.columns}}}",
        f"path ::= [^{_SPACES}]{{1,{min(bounds.columns, 200)}}}",
    ]


_CALLS = {
    "bash": '"```bash\\n" said "```"',
    "view": '"```view " word (" " number (" " number)?)? "\\n```"',
    "create": '"```create " word "\\n" text "```"',
    "replace": '"```replace " word "\\n===== FIND\\n" text "===== REPLACE\\n" text "```"',
    "insert": '"```insert " word " " ("0" | number) "\\n" text "```"',
    "undo": '"```undo " word "\\n```"',
    "search": '"```search" (" " word (" " word)?)? "\\n" opening "\\n```"',
    "submit": '"```submit\\n" (word "\\n"){0,4} "```"',
}
"""A block of each tool, as `tool_text` reads it."""


def _fenced_lines(bounds: Bounds) -> list[str]:
    """The rules of lines in and around a block of three backticks: none begins with three, or like a divider."""
    columns = min(bounds.columns, 120)
    return [
        'prose ::= opening "\\n" few',
        f'few ::= (line "\\n"){{0,{max(1, bounds.lines // 8)}}}',
        f'text ::= (line "\\n"){{0,{bounds.lines}}}',
        'said ::= opening "\\n" text',
        f"opening ::= [^<`={_SPACES}] rest",
        f'line ::= ([^`={_CONTROL}] rest | "`" ([^`{_CONTROL}] rest | "`" ([^`{_CONTROL}] rest)?)? | "=" eq-1)?',
        *_unlike("eq", "="),
        'word ::= bare | "\\"" quoted "\\"" | "\'" quoted "\'"',
        f"bare ::= [A-Za-z0-9_./@%+:,-]{{1,{columns}}}",
        f"quoted ::= [A-Za-z0-9_./@%+:,*? -]{{1,{columns}}}",
        "number ::= [1-9] [0-9]{0,4}",
        *_short(bounds),
    ]
