"""A small repository with a bug, and its row of a dataset in the dialects of two test runners."""

from dataclasses import replace

from environments import Overrides, Reference, diff, prepare_task

SOURCE = '''"""Numbers, doubled."""


def double(x):
    return x + x + 1


def half(x):
    return x // 2


def shout(word):
    return word.upper()
'''
RIGHT = SOURCE.replace("x + x + 1", "x + x")
TESTS = """import unittest

from pkg import double, half, shout


class Numbers(unittest.TestCase):
    def test_half(self):
        self.assertEqual(half(8), 4)

    def test_shout(self):
        \"\"\"A word is made loud.\"\"\"
        self.assertEqual(shout("a"), "A")
"""
HIDDEN = (
    TESTS
    + """
    def test_double(self):
        self.assertEqual(double(4), 8)

    def test_double_of_canary_3141592(self):
        self.assertEqual(double(0), 0)
"""
)
MODULE, CLASS = "tests/test_pkg.py", "tests.test_pkg.Numbers"


class Project:
    """The repository and its row in the dialect of one test runner."""

    def __init__(self, folder, tmp, command, name):
        task = prepare_task(
            folder,
            "double(2) is 5",
            folder=tmp,
            id="project-1",
            overrides=Overrides(test_command=command),
            environ={"PATH": "/usr/bin:/bin"},
        )
        env = {
            **task.recipe.env,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }  # Winnow's own plug-ins take a second
        self.task = replace(task, recipe=replace(task.recipe, env=env))
        names = [
            name(test) for test in ("test_double", "test_double_of_canary_3141592", "test_half", "test_shout")
        ]
        self.reference = Reference(
            "project-1",
            patch=self.diff({"pkg.py": RIGHT}),
            test_patch=self.diff({MODULE: HIDDEN}),
            fail_to_pass=tuple(names[:2]),
            pass_to_pass=tuple(names[2:]),
        )

    def diff(self, changed):
        return diff(self.task.snapshot.tree, changed)


RUNNERS = {
    "pytest": ("python -m pytest -rA", lambda test: f"{MODULE}::Numbers::{test}"),
    "unittest": ("python -m unittest -v", lambda test: f"{test} ({CLASS})"),
}
