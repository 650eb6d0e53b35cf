"""How a Python repository's tests may be run, the likeliest way first, and a small piece of them for a trial."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..sources import is_test, test_libraries

_RUNNERS = ("tests/runtests.py", "test/runtests.py", "runtests.py", "tests/run_tests.py", "run_tests.py")
_SCRIPTS = ("bin/test", "script/test", "scripts/test")
_MOST = 8  # pieces of a trial


@dataclass(frozen=True, slots=True)
class TestWay:
    """A command for all tests, how its output is read, and pieces: words that make it run a few of them."""

    __test__ = False

    command: str
    format: str
    why: str
    pieces: tuple[str, ...] = ()


def test_ways(
    read: Mapping[str, str], files: Sequence[str], sizes: Mapping[str, int], pytest: bool = False
) -> tuple[TestWay, ...]:
    """read: the repository's texts by path, runners among them. sizes: bytes of each test file.

    pytest: its tests are written for it: no general runner but pytest runs all of them.
    """
    libraries = test_libraries(files)
    tests = [name for name in files if name.endswith(".py") and is_test(name, libraries)]
    modules = [name for name in tests if _is_module(name)]
    ways = [_runner(name, read[name], files, modules, sizes) for name in _RUNNERS if name in read]
    ways += [
        _script(name, read[name], modules, sizes)
        for name in _SCRIPTS
        if name in read and "python" in read[name][:80]
    ]
    if tests:
        pieces = tuple(_spread(modules or tests, sizes))
        ways.append(TestWay("python -m pytest -rA", "pytest", "pytest runs the tests", pieces))
        if "manage.py" in read and not pytest:
            command = "python manage.py test --verbosity 2 --noinput"
            ways.append(TestWay(command, "unittest", "manage.py runs the tests", ("",)))
        if not pytest:
            dotted = tuple(map(_dotted, pieces))
            ways.append(
                TestWay("python -m unittest discover -v", "unittest", "unittest finds the tests", dotted)
            )
    return tuple(ways)


test_ways.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest makes of its name


def _runner(
    name: str, text: str, files: Sequence[str], modules: Sequence[str], sizes: Mapping[str, int]
) -> TestWay:
    """A runner of the project's own, in the style of unittest's: labels are modules counted from its folder."""
    folder = str(PurePosixPath(name).parent)
    words = ["python", name]
    if '"--verbosity"' in text or "'--verbosity'" in text:
        words += ["--verbosity", "2"]
    elif "--verbose" in text:
        words.append("--verbose")
    if "--settings" in text:
        near = [
            one for one in files if str(PurePosixPath(one).parent) == folder and one.endswith("_sqlite.py")
        ]
        words += [f"--settings={PurePosixPath(near[0]).stem}"] if near else []
    if "--parallel" in text:
        words += ["--parallel", "1"]
    inside = [one for one in modules if folder in (".", *one.split("/")[:1])]
    labels = []
    for one in _spread(inside, sizes):
        path = PurePosixPath(one).relative_to(folder) if folder != "." else PurePosixPath(one)
        labels.append(_dotted(str(path)))
    return TestWay(shlex.join(words), "unittest", f"{name} is the project's own test runner", tuple(labels))


def _script(name: str, text: str, modules: Sequence[str], sizes: Mapping[str, int]) -> TestWay:
    words = ["python", name]
    for option in re.findall(r"['\"](-\w)['\"](?=[^\n]*no[-_]?cache)", text):
        words.append(option)  # results must not depend on what ran before
    if "--verbose" in text:
        words.append("--verbose")
    pieces = tuple(_spread(modules, sizes))
    kind = "listing" if "--verbose" in words else "exit"
    return TestWay(shlex.join(words), kind, f"{name} is the project's own test script", pieces)


def _is_module(path: str) -> bool:
    name = PurePosixPath(path).name
    return (
        name.startswith("test")
        and name != "test.py"
        or name in ("tests.py", "test.py")
        or name.endswith("_test.py")
    )


def _spread(modules: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    """Small modules from different folders, tiny ones (often empty) last."""
    ordered = sorted(modules, key=lambda one: (sizes.get(one, 0) < 400, sizes.get(one, 0), one))
    chosen: list[str] = []
    seen: dict[str, int] = {}
    for one in ordered:
        folder = str(PurePosixPath(one).parent)
        if seen.get(folder, 0) < 3 or len(ordered) <= _MOST:
            chosen.append(one)
            seen[folder] = seen.get(folder, 0) + 1
        if len(chosen) == _MOST:
            break
    return chosen


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")
