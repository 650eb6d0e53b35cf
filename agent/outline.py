"""What a source file defines, and where: by the syntax tree for Python, by indentation for every other language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from environments.foreign_text import parse_python

_DOCSTRING_CHARS = 100
_LINE_CHARS = 140


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition. name: qualified ("Cart.total"), "" where the language is not known. Lines from 1, both inclusive.

    head: its first line or signature. depth: how deep it lies in others.
    """

    name: str
    start: int
    stop: int
    head: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Outline:
    """A file's definitions in order. parsed: whether they come from a syntax tree. lines: how many the file has.

    imports: the lines from the first to the last import at the top, None where there are none or it is not parsed.
    """

    entries: tuple[Entry, ...]
    parsed: bool
    lines: int
    imports: tuple[int, int] | None = None

    def find(self, name: str) -> list[Entry]:
        """The definitions that a name means: the qualified one, else those of that last name.

        Where nothing is parsed: those whose first line has the name as a word.
        """
        name = name.strip().rstrip("()")
        if not name:
            return []
        if not self.parsed:
            word = re.compile(rf"(?<![\w$]){re.escape(re.split(r'[.:#]+', name)[-1])}(?![\w$])")
            return [entry for entry in self.entries if word.search(entry.head)]
        exact = [entry for entry in self.entries if entry.name == name]
        last = name.rpartition(".")[2]
        return exact or [entry for entry in self.entries if entry.name.rpartition(".")[2] == last]


def outline(path: str, text: str) -> Outline:
    """The definitions of a file with this text."""
    lines = len(lines_of(text))
    if path.endswith((".py", ".pyi")) and (tree := parse_python(text)) is not None:
        return Outline(tuple(_definitions(tree.body, "", 0)), True, lines, _imports(tree))
    return Outline(tuple(_by_indentation(text)), False, lines)


def lines_of(text: str) -> list[str]:
    """The lines as syntax trees and edits count them: a form feed ends none."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def shown_outline(found: Outline, most: int) -> str:
    """The outline as lines "first-last  head", at most `most` of them; and a word where it is only a guess."""
    parts = []
    if not found.parsed:
        parts.append("(No syntax tree for this file: lines that begin something, by their indentation.)")
    for entry in found.entries[:most]:
        where = f"{entry.start}-{entry.stop}" if entry.stop > entry.start else str(entry.start)
        parts.append(f"{where:>11}  {'    ' * entry.depth}{entry.head}")
    if len(found.entries) > most:
        parts.append(f"... and {len(found.entries) - most} more, up to line {found.lines}")
    return "\n".join(parts) or f"(It has {found.lines} lines, and no definitions.)"


# Python ---------------------------------------------------------------------------------------------------------------


def _definitions(body: Sequence[ast.stmt], inside: str, depth: int) -> Iterator[Entry]:
    """Functions, classes with what they hold, and names that are assigned; also under `if`, `try` and `with`."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield _entry(node, inside + node.name, _signature(node), depth)
            case ast.ClassDef():
                bases = ", ".join(ast.unparse(base) for base in [*node.bases, *node.keywords])
                head = f"class {node.name}{f'({bases})' if bases else ''}" + _doc(node)
                yield _entry(node, inside + node.name, head, depth)
                yield from _definitions(node.body, f"{inside}{node.name}.", depth + 1)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (name for target in targets for name in _names(target)):
                    yield _entry(node, inside + name, f"{name} = ...", depth)
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                for part in ("body", "handlers", "orelse", "finalbody"):
                    for below in getattr(node, part, ()):
                        held = below.body if isinstance(below, ast.ExceptHandler) else [below]
                        yield from _definitions(held, inside, depth)


def _entry(node: ast.stmt, name: str, head: str, depth: int) -> Entry:
    decorators = getattr(node, "decorator_list", ())
    start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return Entry(name, start, node.end_lineno or node.lineno, head, depth)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return _cut(f"{kind} {node.name}({ast.unparse(node.args)}){returns}", 300) + _doc(node)


def _doc(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    first = (ast.get_docstring(node) or "").strip().split("\n")[0]
    return f"  # {_cut(first, _DOCSTRING_CHARS)}" if first else ""


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _names(part)


def _imports(tree: ast.Module) -> tuple[int, int] | None:
    """Imports of the module that stand before anything else is defined."""
    first = last = 0
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            first, last = first or node.lineno, node.end_lineno or node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            break
    return (first, last) if first else None


# Other languages ------------------------------------------------------------------------------------------------------

_NO_BEGINNING = re.compile(
    r"^\s*(?:$|[)\]}>;,]|//|/\*|\*|#(?!\s*(?:define|if|ifdef|ifndef)\b)|--|\"\"\"|<!--|end\b)"
)


def _by_indentation(text: str) -> list[Entry]:
    """Lines without indentation, and lines one level below them that open a block; comments and closing lines not."""
    lines = lines_of(text)
    indents = [len(line) - len(line.lstrip()) for line in lines]
    step = min((indent for indent in indents if indent), default=0)
    starts: list[tuple[int, int]] = []
    for i, line in enumerate(lines):
        if _NO_BEGINNING.match(line):
            continue
        if indents[i] == 0:
            starts.append((i, 0))
        elif indents[i] == step and line.rstrip().endswith(("{", ":", " do", "=>")):
            starts.append((i, 1))
    found = []
    next_at_all = next_outside = len(lines)
    for i, depth in reversed(starts):
        stop = next_at_all if depth else next_outside
        found.append(Entry("", i + 1, stop, _cut(lines[i].strip(), _LINE_CHARS), depth))
        next_at_all = i
        next_outside = next_outside if depth else i
    return found[::-1]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
