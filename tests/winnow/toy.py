"""A small repository with a bug, and a server that answers as a model would: what the whole-path tests run on.

The replies depend on the step alone (the header X-Winnow-Step), never on the order of arrival, so that an undisturbed
run and one that was killed many times must come to the same end.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ISSUE = """`join_names` drops the last name

`join_names(["Ann", "Bob", "Cy"])` gives "Ann, Bob", I expected "Ann, Bob and Cy". Two names are wrong too: I get "Ann"
for ["Ann", "Bob"] and expect "Ann and Bob". One name alone is right, and no name at all gives an empty text.
"""

SOURCE = '''"""Lists of names as people write them."""


def join_names(names):
    """ "Ann, Bob and Cy" for ["Ann", "Bob", "Cy"]."""
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1])


def shout(name):
    return name.upper()
'''

TESTS = """import names


def test_one_name():
    assert names.join_names(["Ann"]) == "Ann"


def test_no_name():
    assert names.join_names([]) == ""


def test_shout():
    assert names.shout("ann") == "ANN"
"""

# The plugins that are beside Winnow's own pytest take ten times as long to import as three tests need.
PROJECT = """[project]
name = "names"
version = "1"

[tool.pytest.ini_options]
pythonpath = ["."]
addopts = "--disable-plugin-autoload"
"""

CHECK = """#!/usr/bin/env python3
import sys
from names import join_names

wrong = 0
for given, wanted in {cases}:
    seen = join_names(given)
    print(f"{{given}}: saw {{seen!r}}, expected {{wanted!r}}")
    wrong += seen != wanted
sys.exit(2 if wrong else 0)
"""

THREE = (["Ann", "Bob", "Cy"], "Ann, Bob and Cy")
TWO = (["Ann", "Bob"], "Ann and Bob")

OLD = '    return ", ".join(names[:-1])'
RIGHT = '    return ", ".join(names[:-1]) + " and " + names[-1]'
HALF = '    return ", ".join(names[:-1]) + (" and " + names[-1] if len(names) > 2 else "")'
LOUD = '    return ", ".join(names[:-1]) + " and " + shout(names[-1])'


def make_repository(folder: Path) -> Path:
    """A checkout with two commits, the second of which is the base."""
    folder.mkdir(parents=True)
    (folder / "names.py").write_text(SOURCE.replace("def shout", "def cry"))
    (folder / "tests").mkdir()
    (folder / "tests" / "test_names.py").write_text(TESTS)
    (folder / "pyproject.toml").write_text(PROJECT)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "names.py").write_text(SOURCE)
    git(folder, "commit", "-q", "-a", "-m", "second")
    return folder


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def reply(step: str, messages: list[dict]) -> str:
    """The model's answer at a step ("attempt-2/editing/1")."""
    trajectory, branch, index = step.split("/")[0], step.split("/")[1], int(step.rsplit("/", 1)[1])
    if branch == "relevance":
        return "It has the function.\n\n<<<<< RELEVANT\nDefines join_names.\n>>>>> END\n"
    if branch == "ranking":
        return "Only one matters.\n\n<<<<< RANKING\nnames.py\n>>>>> END\n"
    if branch == "testing":
        return _testing(int(trajectory.removeprefix("attempt-")), index)
    if branch == "editing":
        return _editing(int(trajectory.removeprefix("attempt-")), index)
    return _choosing(index, messages[0]["content"])


def _testing(number: int, index: int) -> str:
    """Attempt 3 forgets the block at first; attempt 2 tests half of the issue."""
    late = number == 3
    if late and index == 0:
        return "I forgot the block."
    if index == late:
        cases = [THREE] if number == 2 else [THREE, TWO]
        return f"The example of the issue.\n\n<<<<< TEST\n{CHECK.format(cases=cases)}>>>>> END\n"
    return "It shows the issue.\n\n<<<<< DONE\n"


def _editing(number: int, index: int) -> str:
    """Attempts 1 and 3 are right (1 misses the place at first), 2 is half right, 4 says it louder than it should."""
    line = (RIGHT, HALF, RIGHT + "  # the last one too", LOUD)[(number - 1) % 4]
    late = number == 1
    if late and index == 0:
        return f"Try.\n\n<<<<< EDIT names.py\n===== FIND\n    nowhere\n===== REPLACE\n{line}\n>>>>> END\n"
    if index == late:
        return f"Like so.\n\n<<<<< EDIT names.py\n===== FIND\n{OLD}\n===== REPLACE\n{line}\n>>>>> END\n"
    return "Done.\n\n<<<<< DONE\n"


def _choosing(index: int, system: str) -> str:
    """The selection machine: a test first, then the first candidate that is right."""
    if index == 0:
        return f"Both cases.\n\n<<<<< TEST\n{CHECK.format(cases=[THREE, TWO])}>>>>> END\n"
    parts = re.split(r"^# Candidate (\w+)\n", system, flags=re.M)
    winner = next(label for label, diff in zip(parts[1::2], parts[2::2], strict=True) if RIGHT in diff)
    return f"It is right.\n\n<<<<< WINNER\n{winner}\nCandidate {winner} joins two names as well.\n>>>>> END\n"
