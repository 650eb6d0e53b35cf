"""What the builder reads of a frozen repository: the small files that say how it is built and tested."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..sources import is_test, test_libraries
from ..task import Snapshot

_NAMES = frozenset(
    "pyproject.toml setup.py setup.cfg tox.ini pytest.ini .pytest.ini .travis.yml .python-version runtime.txt "
    ".tool-versions Pipfile manage.py noxfile.py conftest.py "
    "tests/runtests.py test/runtests.py runtests.py tests/run_tests.py run_tests.py bin/test "
    "script/test scripts/test".split()
)
_LONGEST = 300_000
_MOST_TESTS = 400  # files that are looked into for what they are written for


@dataclass(frozen=True, slots=True)
class Reading:
    """texts: of the files that say how it is built, by path. files: all tracked paths. sizes: bytes of Python files.
    pytest: whether its tests are written for pytest, and so no other runner's.
    """

    texts: Mapping[str, str]
    files: tuple[str, ...]
    sizes: Mapping[str, int]
    pytest: bool = False


def read_repository(snapshot: Snapshot) -> Reading:
    """Read it; nothing is executed, and no link is followed."""
    files = snapshot.files()
    texts, sizes = {}, {}
    for path in files:
        if path in _NAMES or path.startswith(".github/workflows/") or _is_requirements(path):
            text = snapshot.read(path)
            if text is not None and len(text) <= _LONGEST:
                texts[path] = text
        if path.endswith(".py"):
            sizes[path] = (snapshot.tree / path).lstat().st_size
    return Reading(texts, files, sizes, _imports_pytest(snapshot, files))


def _imports_pytest(snapshot: Snapshot, files: Sequence[str]) -> bool:
    """Whether one of its tests imports pytest, or its settings are there."""
    if any(PurePosixPath(path).name in ("pytest.ini", ".pytest.ini") for path in files):
        return True
    libraries = test_libraries(files)
    tests = [path for path in files if path.endswith(".py") and is_test(path, libraries)]
    for path in tests[:_MOST_TESTS]:
        if re.search(r"^\s*(?:import|from) pytest\b", snapshot.read(path) or "", re.MULTILINE):
            return True
    return False


def _is_requirements(path: str) -> bool:
    return path.endswith((".txt", ".in")) and ("require" in path.lower() or "/reqs" in path.lower())
