"""What a patch is, without running it: its size, its files, and the program that it makes."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence

from agent import Candidate
from environments import Task, is_test, test_libraries
from environments.foreign_text import parse_python

from .applying import Changed
from .changed_lines import changed_lines
from .evidence import PatchFacts


def patch_facts(
    task: Task, candidates: Sequence[Candidate], changed: Mapping[str, Changed | None]
) -> Mapping[str, PatchFacts]:
    """By candidate id; also of a patch that is empty or does not apply, as far as its text tells."""
    libraries = test_libraries(task.snapshot.files())
    by_patch: dict[str, PatchFacts] = {}
    for candidate in candidates:
        if candidate.patch not in by_patch:
            files = changed.get(candidate.id)
            added, removed, named = _read(candidate.patch)
            paths = tuple(sorted(files)) if files else named
            by_patch[candidate.patch] = PatchFacts(
                added=added,
                removed=removed,
                files=paths,
                tests=tuple(path for path in paths if is_test(path, libraries)),
                normal=normal_form(task, files) if files else "",
            )
    return {candidate.id: by_patch[candidate.patch] for candidate in candidates}


def normal_form(task: Task, files: Changed) -> str:
    """A digest that is the same for changes that make the same program.

    Of Python the syntax tree counts, without docstrings: comments and layout do not, indentation does, being part of
    the tree. A file that only differs in those from the original is left out. Other files count byte for byte (TRAE
    takes indentation away and so merges patches that differ in behaviour; Agentless removes comments and docstrings).
    """
    whole = hashlib.sha256()
    for path, change in sorted(files.items()):
        new = _meaning(path, change.content)
        old = _meaning(path, _original(task, path))
        if new != old:
            whole.update(f"{path}\0{new}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()[:32]


def _original(task: Task, path: str) -> bytes | None:
    text = task.snapshot.read(path)
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _meaning(path: str, content: bytes | None) -> str:
    if content is None:
        return "gone"
    if path.endswith((".py", ".pyi")) and (tree := _tree(content)) is not None:
        return "python " + hashlib.sha256(tree.encode("utf-8", "surrogatepass")).hexdigest()
    return hashlib.sha256(content).hexdigest()


def _tree(source: bytes) -> str | None:
    """The syntax tree as text, None where this Python cannot parse it (a newer one's, or Python 2's)."""
    tree = parse_python(source)
    if tree is None:
        return None
    try:
        for node in ast.walk(tree):
            _drop_docstring(node)
        return ast.dump(tree)
    except (RecursionError, MemoryError):
        return None


def _drop_docstring(node: ast.AST) -> None:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _read(patch: str) -> tuple[int, int, tuple[str, ...]]:
    """(added lines, removed lines, paths)."""
    lines = list(changed_lines(patch))
    signs = [sign for _, sign, _ in lines]
    return signs.count("+"), signs.count("-"), tuple(sorted({path for path, sign, _ in lines if not sign}))
