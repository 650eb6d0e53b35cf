"""What a patch is, without running it: its size, its files, and the program that it makes."""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from collections.abc import Mapping, Sequence

from agent import Candidate
from environments import Task, is_test, test_libraries

from .applying import Changed
from .evidence import PatchFacts

_FILE = re.compile(r'^diff --git "?a/.* "?b/(.+?)"?$')
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in other people's strings
            tree = ast.parse(source)
        for node in ast.walk(tree):
            _drop_docstring(node)
        return ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _drop_docstring(node: ast.AST) -> None:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _read(patch: str) -> tuple[int, int, tuple[str, ...]]:
    """(added lines, removed lines, paths): lines are counted inside hunks only, so "--- " headers are none."""
    added = removed = old_left = new_left = 0
    paths: list[str] = []
    for line in patch.split("\n"):
        if old_left > 0 or new_left > 0:
            old_left -= line[:1] in ("-", " ", "")
            new_left -= line[:1] in ("+", " ", "")
            added += line.startswith("+")
            removed += line.startswith("-")
        elif match := _HUNK.match(line):
            old_left, new_left = (int(group) if group is not None else 1 for group in match.groups())
        elif match := _FILE.match(line):
            paths.append(match[1])
    return added, removed, tuple(sorted(set(paths)))
