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
BREAKS = '    return ", ".join(names[:-1]) + " and " + names[-1].upper()'


def make_repository(folder: Path) -> Path:
    """A checkout with two commits, the second of which is the base."""
    folder.mkdir(parents=True)
    (folder / "names.py").write_text(SOURCE.replace("def shout", "def cry"))
    (folder / "tests").mkdir()
    (folder / "tests" / "test_names.py").write_text(TESTS)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "names"\nversion = "1"\n\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
    )
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


def reply(step: str) -> str:
    """The model's answer at a step ("attempt-2/editing/1")."""
    trajectory, branch, index = step.split("/")[0], step.split("/")[1], int(step.rsplit("/", 1)[1])
    if branch == "relevance":
        return "It has the function.\n\n<<<<< RELEVANT\nDefines join_names.\n>>>>> END\n"
    if branch == "ranking":
        return "Only one matters.\n\n<<<<< RANKING\nnames.py\n>>>>> END\n"
    number = (
        int(re.sub(r"\D", "", trajectory.removeprefix("selection")) or 0) if "attempt" in trajectory else 0
    )
    if branch == "testing":
        return _testing(number, index)
    if branch == "editing":
        return _editing(number, index)
    return _choosing(index)


def _testing(number: int, index: int) -> str:
    if number == 3 and index == 0:
        return "I forgot the block."
    if index == (1 if number == 3 else 0):
        cases = [THREE] if number == 2 else [THREE, TWO]
        return f"The example of the issue.\n\n<<<<< TEST\n{CHECK.format(cases=cases)}>>>>> END\n"
    return "It shows the issue.\n\n<<<<< DONE\n"


def _editing(number: int, index: int) -> str:
    line = {1: RIGHT, 2: HALF, 3: RIGHT + "  # the last one too", 4: BREAKS}[(number - 1) % 4 + 1]
    if number == 1 and index == 0:
        return f"Try.\n\n<<<<< EDIT names.py\n===== FIND\n    nowhere\n===== REPLACE\n{line}\n>>>>> END\n"
    if index == (1 if number == 1 else 0):
        return f"Like so.\n\n<<<<< EDIT names.py\n===== FIND\n{OLD}\n===== REPLACE\n{line}\n>>>>> END\n"
    return "Done.\n\n<<<<< DONE\n"


def _choosing(index: int) -> str:
    """The selection machine: a test first, then the winner."""
    raise NotImplementedError
