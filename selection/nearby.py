"""Which existing tests are about the files that candidates touch: by names, folders and imports of the repository.

A whole suite may take an hour. What is run must be the same for all candidates, so that they can be compared: the
tests near anything that any of them touches. The reference's tests have no part in this.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from environments import Task, is_test, test_libraries
from environments.foreign_text import parse_python

_SMALLEST = 3
"""Letters of a module's name that a test file's name must at least share with it to be called after it."""
_AFFIXES = re.compile(r"^(?:tests?_|spec_)|(?:_tests?|_spec|\.tests?|\.spec)$")


def nearby_tests(task: Task, paths: Iterable[str], most: int) -> tuple[tuple[str, ...], str]:
    """(test files, how they were found), none where none is known to be near: then the whole suite must say it.

    paths: what the candidates touch. Nearest first: tests that are touched themselves; those called after a touched
    file; those that import it, or from its package a name that it defines; those called after its folder; those beside
    it. most: files at most; what is farther is left out, and the sentence says how many.
    """
    files = task.snapshot.files()
    tests = _test_files(files)
    touched = sorted(set(paths))
    # A file that a candidate adds is nothing that an existing test could be about.
    sources = [path for path in touched if path in files and path not in tests]
    by_rule = {
        "touched by a candidate": [path for path in touched if path in tests],
        "called after a touched file": _called_after(sources, tests),
        "importing a touched module": _importing(task, sources, tests),
        "called after a touched file's folder": _called_after(
            [str(PurePosixPath(p).parent) for p in sources], tests
        ),
        "beside a touched file": _beside(sources, tests),
    }
    chosen: dict[str, str] = {}
    for rule, found in by_rule.items():
        for path in found:
            chosen.setdefault(path, rule)
    if not chosen:
        return (
            (),
            "no test file is called after, imports or stands beside what the candidates touch: the whole suite",
        )
    kept = list(chosen)[:most]
    counts = {rule: sum(chosen[path] == rule for path in kept) for rule in by_rule}
    said = ", ".join(f"{count} {rule}" for rule, count in counts.items() if count)
    left = f"; {len(chosen) - len(kept)} farther ones left out" if len(chosen) > len(kept) else ""
    return tuple(sorted(kept)), f"{len(kept)} of {len(tests)} test files: {said}{left}"


def _test_files(files: Sequence[str]) -> tuple[str, ...]:
    """Files that hold tests: test files by their place whose own name says so, too (no data, no conftest.py)."""
    libraries = test_libraries(files)
    return tuple(
        path
        for path in files
        if is_test(path, libraries)
        and PurePosixPath(path).suffix in (".py", ".js", ".ts", ".jsx", ".tsx", ".mjs", ".go", ".rb")
        and (_bare(path) != PurePosixPath(path).stem.lower() or PurePosixPath(path).stem in ("test", "tests"))
    )


def _bare(path: str) -> str:
    """What a test file is called after: "cart" for test_cart.py, cart_test.go and cart.spec.ts."""
    return _AFFIXES.sub("", PurePosixPath(path).stem.lower())


def _called_after(sources: Sequence[str], tests: Sequence[str]) -> list[str]:
    """Of several with one name those in the nearest folder come first."""
    found: list[tuple[int, str]] = []
    for source in sources:
        where = PurePosixPath(source)
        name = where.stem.lower().strip("_")
        if name in ("init", "index", "main"):
            name = where.parent.name.lower()
        for test in tests:
            bare = _bare(test)
            if len(name) >= _SMALLEST and (
                bare == name or bare.startswith(f"{name}_") or bare.endswith(f"_{name}")
            ):
                found.append((-_shared(source, test), test))
    return [test for _, test in sorted(found)]


def _beside(sources: Sequence[str], tests: Sequence[str]) -> list[str]:
    """Tests in a touched file's folder, or in the tests folder below it; the root is no folder of any file's own."""
    folders = {str(PurePosixPath(source).parent) for source in sources} - {"."}
    near = folders | {f"{folder}/{name}" for folder in folders for name in ("test", "tests")}
    return [test for test in tests if str(PurePosixPath(test).parent) in near]


def _shared(one: str, other: str) -> int:
    return len(set(PurePosixPath(one).parts[:-1]) & set(PurePosixPath(other).parts[:-1]))


# Imports of Python ----------------------------------------------------------------------------------------------------


_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[\w.]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n;]*)"
    r"|import[ \t]+(?P<plain>[^\n;]+))",
    re.MULTILINE,
)


def _importing(task: Task, sources: Sequence[str], tests: Sequence[str]) -> list[str]:
    modules = {module for source in sources if source.endswith(".py") for module in _modules(source)}
    if not modules:
        return []
    offered = _offered(task, sources)
    found = []
    for test in tests:
        if test.endswith(".py") and _imports(task, test, modules, offered):
            found.append(test)
    return found


def _modules(path: str) -> Iterable[str]:
    """Names under which a file may be imported: from any folder on its way that could be the root ("src/a/b.py")."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    roots = 2 if parts and parts[0] in ("src", "lib", "python") else 1
    for start in range(roots):
        if parts[start:]:
            yield ".".join(parts[start:])


def _offered(task: Task, sources: Sequence[str]) -> Mapping[str, set[str]]:
    """By package: the public names that a touched file of it defines, which its __init__ may hand on."""
    names: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        tree = _tree(task, source)
        if tree is None:
            continue
        defined = {
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not node.name.startswith("_")
        }
        for module in _modules(source):
            parent = module
            while "." in parent:
                parent = parent.rpartition(".")[0]
                names[parent] |= defined
    return names


def _imports(task: Task, test: str, modules: Collection[str], offered: Mapping[str, set[str]]) -> bool:
    """Whether a test imports a touched module, or from its package (`from p import Name`) what it defines.

    Read line by line: to parse the thousand test files of a large project would take a minute.
    """
    text = (task.snapshot.read(test) or "").replace("\\\n", " ")
    for match in _IMPORT.finditer(text):
        if match["plain"]:
            if any(name in modules for name in _names(match["plain"])):
                return True
            continue
        module, names = _absolute(match["module"], test), _names(match["names"])
        if module in modules or any(f"{module}.{name}" in modules for name in names):
            return True
        if not offered.get(module, set()).isdisjoint(names):
            return True
    return False


def _names(text: str) -> set[str]:
    """The names of an import's list, without their "as"."""
    plain = re.sub(r"#[^\n]*", "", text).strip("() \t\n")
    return {words[0] for part in plain.split(",") if (words := part.split())}


def _absolute(module: str, test: str) -> str:
    """A module's name from the repository's root; a relative one is relative to the test's folder."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    if not level:
        return module
    folder = PurePosixPath(test).parts[: -level or None]
    return ".".join([*folder, *filter(None, [name])])


def _tree(task: Task, path: str) -> ast.Module | None:
    return parse_python(task.snapshot.read(path) or "") if path.endswith(".py") else None
