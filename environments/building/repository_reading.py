"""What the builder reads of a frozen repository: the small files that say how it is built and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..task import Snapshot

_NAMES = frozenset(
    "pyproject.toml setup.py setup.cfg tox.ini pytest.ini .pytest.ini .travis.yml .python-version runtime.txt "
    ".tool-versions Pipfile manage.py noxfile.py conftest.py "
    "tests/runtests.py test/runtests.py runtests.py tests/run_tests.py run_tests.py bin/test "
    "script/test scripts/test".split()
)
_LONGEST = 300_000


@dataclass(frozen=True, slots=True)
class Reading:
    """texts: of the files that say how it is built, by path. files: all tracked paths. sizes: bytes of Python files."""

    texts: Mapping[str, str]
    files: tuple[str, ...]
    sizes: Mapping[str, int]


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
    return Reading(texts, files, sizes)


def _is_requirements(path: str) -> bool:
    return path.endswith((".txt", ".in")) and ("require" in path.lower() or "/reqs" in path.lower())
