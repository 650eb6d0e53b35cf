"""Which files decide how tests are run: a patch that changes them gets a second verdict without these changes."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..blobs import blob_sizes
from ..foreign_text import parse_ini, parse_toml
from ..patch_limits import LARGEST_RESULT
from ..patches import Change
from ..repository import head_entries
from ..safe_git import git

_MACHINERY = frozenset(
    "conftest.py pytest.ini .pytest.ini tox.ini sitecustomize.py usercustomize.py .coveragerc noxfile.py "
    "pytest.toml .pytest.toml".split()
)
_TOOLS = frozenset("pytest _pytest pluggy xdist pytest_cov coverage hypothesis nose nose2 tox trial".split())


def test_machinery(tree: Path, changes: Mapping[str, Change]) -> tuple[str, ...]:
    """Which changed files decide how tests are run: conftest.py, test settings, what Python runs at its start, and new
    modules that would be imported in place of a test tool or of the standard library.

    A project's own test library (a package that it ships) is source, not machinery.
    """
    entries = head_entries(tree)
    tops = {path.partition("/")[0].removesuffix(".py") for path in entries}
    return tuple(
        path
        for path, change in sorted(changes.items())
        if _is_machinery(tree, path, change.content) or (path not in entries and _takes_a_place(path, tops))
    )


test_machinery.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest makes of its name


def _is_machinery(tree: Path, path: str, content: bytes | None) -> bool:
    name = PurePosixPath(path).name
    if name in _MACHINERY or name.endswith(".pth"):
        return True
    if name not in ("setup.cfg", "pyproject.toml"):
        return False
    entry = head_entries(tree).get(path)
    if entry and blob_sizes([entry[1]], tree / ".git")[entry[1]] > LARGEST_RESULT:
        return True
    before = git("cat-file", "blob", entry[1], git_dir=tree / ".git") if entry else b""
    return _test_settings(name, before) != _test_settings(name, content or b"")


def _takes_a_place(path: str, tops: Collection[str]) -> bool:
    """A new top-level module, beside the repository's own, with the name of a tool or of the standard library."""
    parts = PurePosixPath(path.removeprefix("src/")).parts
    name = parts[0].removesuffix(".py")
    is_module = path.endswith((".py", ".so", ".pyc")) and name not in tops
    return is_module and (name in _TOOLS or name in sys.stdlib_module_names)


def _test_settings(name: str, content: bytes) -> Any:
    """The settings of test tools in a file; the whole text where it cannot be read."""
    text = content.decode("utf-8", "replace")
    if name == "pyproject.toml":
        said = parse_toml(text)
        tool = text if said is None else said.get("tool", {})
        if not isinstance(tool, dict):
            return tool
        return {key: tool[key] for key in ("pytest", "coverage", "tox") if key in tool}
    parser = parse_ini(text)
    if parser is None:
        return text
    sections = [
        name
        for name in parser.sections()
        if name.startswith(("tool:pytest", "pytest", "coverage", "aliases"))
    ]
    return {section: dict(parser.items(section)) for section in sections}
