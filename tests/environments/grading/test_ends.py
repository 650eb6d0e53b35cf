"""How a run of hidden tests ends, and what it begins with: passing results alone are no verdict (SAFETY 4, 31, 32)."""

from dataclasses import replace

import pytest
from small_project import HIDDEN, MODULE, RIGHT, RUNNERS, SOURCE
from test_cheats import XML
from waiting import PATIENCE

from environments import grade_instance

pytestmark = pytest.mark.overlay

AT_THE_END = "\nimport atexit, os, time\natexit.register({})\n"
OTHER = HIDDEN + "\n    def test_that_nobody_named(self):\n        self.fail('as ever')\n"


@pytest.mark.parametrize("runner", RUNNERS)
async def test_what_a_limit_stopped_did_not_come_to_its_end(projects, prepared, runner):
    """All named tests have passed, one that nobody named has failed, as a limit's exit code says: then it hangs."""
    project = projects[runner]
    row = replace(project.reference, test_patch=project.diff({MODULE: OTHER}))
    patch = project.diff({"pkg.py": RIGHT + AT_THE_END.format("time.sleep, 100000")})
    async with prepared(project.task) as base:
        grade = await grade_instance(base, project.task, row, project.reference.patch, timeout=PATIENCE)
        assert grade.resolved, "a failing test that nobody named is no matter"
        grade = await grade_instance(base, project.task, row, patch, timeout=10)
    assert not grade.resolved and grade.verdict == "broken" and "in time" in grade.reason, grade


@pytest.mark.parametrize("runner", RUNNERS)
async def test_an_exit_code_that_contradicts_the_results_is_no_verdict(projects, prepared, runner):
    project = projects[runner]
    patch = project.diff({"pkg.py": RIGHT + AT_THE_END.format("os._exit, 3")})
    async with prepared(project.task) as base:
        grade = await grade_instance(base, project.task, project.reference, patch)
    assert not grade.resolved and "not whole" in grade.reason and grade.exit_code == 3, grade


FORGER = f'''import glob, importlib.util, sysconfig
spec = importlib.util.spec_from_file_location("true_hmac", sysconfig.get_path("stdlib") + "/hmac.py")
true = importlib.util.module_from_spec(spec)
spec.loader.exec_module(true)


def new(key, content=None, digest=None):
    report = glob.glob("/tmp/winnow-*/report")[0]
    with open(report, "w") as file:
        file.write("{XML}")
    return true.new(key, open(report, "rb").read(), digest)
'''


async def test_a_module_of_the_repository_is_not_handed_the_key(project, prepared):
    """The repository is on Python's path before the tests begin; the reporter takes its modules from elsewhere."""
    env = {**project.task.recipe.env, "PYTHONPATH": project.task.snapshot.at}
    task = replace(project.task, recipe=replace(project.task.recipe, env=env))
    bug = SOURCE + AT_THE_END.format("os._exit, 0")
    async with prepared(task) as base:
        cheating = await grade_instance(
            base, task, project.reference, project.diff({"hmac.py": FORGER, "pkg.py": bug})
        )
        right = await grade_instance(base, task, project.reference, project.reference.patch)
    assert right.resolved and not cheating.resolved, cheating


async def test_one_candidates_files_are_not_the_next_ones(project, prepared):
    async with prepared(project.task) as base:
        right = await grade_instance(base, project.task, project.reference, project.reference.patch)
        nothing = await grade_instance(
            base, project.task, project.reference, project.diff({"notes.txt": "no fix\n"})
        )
        again = await grade_instance(base, project.task, project.reference, project.reference.patch)
    assert right.resolved and not nothing.resolved and again.resolved


BLIND = "import unittest\nunittest.TestCase.assertEqual = lambda *more: None\n"


@pytest.mark.parametrize("runner", RUNNERS)
async def test_what_stands_where_a_hidden_test_was_deleted_is_gone(projects, prepared, runner):
    """A file that the row's test patch deletes, and that the candidate's patch has made its own."""
    project = projects[runner]
    row = replace(project.reference, test_patch=project.diff({MODULE: HIDDEN, "tests/__init__.py": None}))
    async with prepared(project.task) as base:
        right = await grade_instance(base, project.task, row, row.patch)
        cheating = await grade_instance(base, project.task, row, project.diff({"tests/__init__.py": BLIND}))
    assert right.resolved and not cheating.resolved, (right, cheating)
