"""A removal: the lines of the source that keep a protection, and what stands there once it is taken away.

A place in the source is named by its module and its qualified name, so code may move within a module, and other code
may change, without a word here.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Edit:
    """In module `module`, within the function, class or assignment `name` ("Class.method", "CONSTANT"): `old` becomes
    `new`. An empty `name` is the whole module."""

    module: str
    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Removal:
    """name: for people and `--only`. tests: files or single tests, one of which must fail. edits: more than one where
    several layers keep the same thing, since none of them is missed while another stands."""

    name: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]


def removal(name: str, tests: str, *edits: tuple[str, str, str, str]) -> Removal:
    """As the tables write it. tests: separated by spaces. edits: (module, qualified name, old, new)."""
    return Removal(name, tuple(tests.split()), tuple(Edit(*edit) for edit in edits))


class DoesNotApply(Exception):
    """A removal names something that is not in the source, or not exactly once."""


def apply(edit: Edit, root: Path) -> None:
    """Make the edit in the checkout at `root`. Raises DoesNotApply."""
    file = _file(edit.module, root)
    source = file.read_text(encoding="utf-8")
    begin, end = _span(source, edit)
    count = source.count(edit.old, begin, end)
    where = f"{edit.module}.{edit.name}" if edit.name else edit.module
    if count != 1:
        raise DoesNotApply(f"{edit.old!r} is {count} times in {where}, and must be there once")
    at = source.index(edit.old, begin, end)
    changed = source[:at] + edit.new + source[at + len(edit.old) :]
    try:
        ast.parse(changed)
    except SyntaxError as error:
        raise DoesNotApply(f"without {edit.old!r}, {where} is no Python ({error})") from error
    file.write_text(changed, encoding="utf-8")


def _file(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    raise DoesNotApply(f"there is no module {module}")


def _span(source: str, edit: Edit) -> tuple[int, int]:
    """Where the source of the named object begins and ends."""
    node: ast.AST = ast.parse(source)
    for part in edit.name.split(".") if edit.name else ():
        found = [child for child in ast.iter_child_nodes(node) if part in _names(child)]
        if len(found) != 1:
            raise DoesNotApply(f"{edit.module} has {len(found)} things called {edit.name}, and must have one")
        node = found[0]
    if isinstance(node, ast.Module):
        return 0, len(source)
    lines = source.splitlines(keepends=True)
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    return sum(map(len, lines[: first - 1])), sum(map(len, lines[: node.end_lineno]))


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else []
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []
