"""A task's world in real sandboxes: the start-up check, test runs, patches, and grading that cannot be talked over."""

import importlib.metadata
import os
import shutil
import venv
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from waiting import PATIENCE

from environments import (
    Change,
    Gold,
    Overrides,
    SetupFailed,
    WorldWrong,
    check,
    diff,
    grade,
    grade_twice,
    prepare_task,
    run_setup,
    run_tests,
    write_patch,
)
from sandbox import Limits, Place, open_backend

pytestmark = pytest.mark.overlay

BUGGY = "def double(x):\n    return x + x + 1\n"
RIGHT = BUGGY.replace(" + 1", "")
TESTS = "from pkg import double\ndef test_zero(): assert double(0) in (0, 1)\ndef test_two(): assert double(2) == 4\n"
HIDDEN = "from pkg import double\n\ndef test_four(): assert double(4) == 8\n\ndef test_old(): assert True\n"
GOLD = Gold(
    files={"tests/test_hidden.py": Change(HIDDEN.encode())},
    fail_to_pass=("tests/test_hidden.py::test_four",),
    pass_to_pass=("tests/test_hidden.py::test_old",),
)
WHEELS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


@pytest.fixture(scope="module")
def checkout(repo_at, tmp_path_factory):
    """A user's checkout: a bug, a virtual environment with pytest, a secret, history after the base."""
    repo = repo_at(tmp_path_factory.mktemp("user") / "my project")
    repo.write(
        {
            "src/pkg/__init__.py": BUGGY,
            "tests/test_pkg.py": TESTS,
            "pyproject.toml": "[project]\nname='pkg'\n",
        }
    )
    base = repo.commit({".gitignore": ".venv\n.env\n", "run.sh": "#!/bin/sh\n"})
    repo.commit({"src/pkg/__init__.py": RIGHT}, "the fix")
    repo.git("reset", "-q", "--hard", base)
    environment = repo.folder / ".venv"
    venv.create(environment, with_pip=False, symlinks=True)
    site = next(environment.glob("lib/python3*/site-packages"))
    for name in WHEELS:
        for part in importlib.metadata.files(name):
            if part.suffix != ".pyc" and ".." not in part.parts:
                (site / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(part.locate(), site / part)
    repo.write({".env": "TOKEN=hunter2\n"})
    return repo.folder


@pytest.fixture(scope="module")
def task(checkout, tmp_path_factory):
    return prepare_task(
        checkout, "double(2) is 5", folder=tmp_path_factory.mktemp("run"), environ={"PATH": "/usr/bin:/bin"}
    )


@asynccontextmanager
async def started(task, state):
    backend = open_backend("overlay", run="test-environments", state=state)
    try:
        yield await backend.start(task.world(), name="base", limits=Limits(memory=None, timeout=PATIENCE))
    finally:
        await backend.close()


def fix(task, more=None):
    return diff(task.snapshot.tree, {"src/pkg/__init__.py": RIGHT, **(more or {})})


async def test_the_world_is_right_and_the_checkout_untouched(task, checkout, tmp_path):
    async with started(task, tmp_path) as sandbox:
        assert await check(sandbox, task) == ()
        before = await run_tests(sandbox, task.recipe)
        assert before.source == "xml" and before.whole and before.exit_code == 1
        assert before.results == {
            "tests/test_pkg.py::test_zero": "passed",
            "tests/test_pkg.py::test_two": "failed",
        }
        await write_patch(sandbox, task.snapshot, fix(task, {"run.sh": None, "new dir/ü '.txt": "x"}))
        after = await run_tests(sandbox, task.recipe, files=["tests/test_pkg.py::test_two"])
        assert (
            after.results == {"tests/test_pkg.py::test_two": "passed"}
            and after.whole
            and after.exit_code == 0
        )
        said = await sandbox.run("cat .env; ls -a; git log --all --format=%s; git status --porcelain; env")
        assert "hunter2" not in said.output and "the fix" not in said.output and "run.sh" in said.output
        assert '?? "new dir' in said.output and ".pyc" not in said.output
    assert (checkout / "src/pkg/__init__.py").read_text() == BUGGY and (checkout / "run.sh").exists()
    assert not (checkout / "new dir").exists() and not list(checkout.glob("src/**/__pycache__"))


async def test_timeouts_and_dead_runs_are_not_whole(task, tmp_path):
    async with started(task, tmp_path) as sandbox:
        slow = replace(task.recipe, test_command="sleep 3600", test_format="exit")
        report = await run_tests(sandbox, slow, timeout=0.5)
        assert report.ended == "timeout" and not report.whole and report.results == {"(exit code)": "failed"}
        await sandbox.write(
            "tests/test_dead.py", b"import os\ndef test_a(): print('1 passed'); os._exit(0)\n"
        )
        report = await run_tests(sandbox, task.recipe, files=["tests/test_dead.py"])
        assert report.exit_code == 0 and report.results == {} and not report.whole
        plain = replace(task.recipe, test_command="true && python -m pytest -rA tests/test_pkg.py")
        report = await run_tests(sandbox, plain)
        assert (
            report.source == "log"
            and report.whole
            and report.results["tests/test_pkg.py::test_two"] == "failed"
        )
        with pytest.raises(ValueError, match="no test command"):
            await run_tests(sandbox, replace(task.recipe, test_command=None))


async def test_an_installed_copy_is_seen(task, tmp_path):
    """Without the source on the path, the installed copy is what attempts would test."""
    env = {name: value for name, value in task.recipe.env.items() if name != "PYTHONPATH"}
    bare = replace(task, recipe=replace(task.recipe, env=env))
    async with started(bare, tmp_path) as sandbox:
        assert any("pkg cannot be imported" in note for note in await check(sandbox, bare))
        site = (await sandbox.run("echo .venv/lib/python3*/site-packages")).output.strip()
        await sandbox.write(f"{site}/pkg/__init__.py", b"")
        with pytest.raises(WorldWrong, match="installed copy"):
            await check(sandbox, bare)


async def test_an_installation_elsewhere_is_seen(task, tmp_path):
    (tmp_path / "other/pkg").mkdir(parents=True)
    (tmp_path / "other/pkg/__init__.py").write_text("raise SystemExit('never run')\n")
    other = Place(tmp_path / "other", "/srv/other")
    env = {**task.recipe.env, "PYTHONPATH": "/srv/other"}
    wrong = replace(task, recipe=replace(task.recipe, env=env, places=(other,)))
    async with started(wrong, tmp_path / "state") as sandbox:
        with pytest.raises(WorldWrong, match="finds /srv/other/pkg/__init__.py and not the repository"):
            await check(sandbox, wrong)


async def test_a_world_without_its_repository_or_with_another_state_is_seen(task, tmp_path):
    async with started(task, tmp_path) as sandbox:
        await sandbox.run("echo more >> run.sh; rm pyproject.toml")
        with pytest.raises(WorldWrong, match="2 file"):
            await check(sandbox, task)
        set_up = replace(task, recipe=replace(task.recipe, setup="true"))
        assert any("after the set-up script 2 file" in note for note in await check(sandbox, set_up))
        await sandbox.run("git -c user.name=a -c user.email=a@b commit -qam x")
        with pytest.raises(WorldWrong, match="is not at"):
            await check(sandbox, task)
        await sandbox.run("rm -rf .git")
        with pytest.raises(WorldWrong, match="does not show the repository"):
            await check(sandbox, task)


async def test_a_missing_test_tool_is_a_note(task, tmp_path):
    async with started(task, tmp_path) as sandbox:
        await sandbox.run("rm -rf .venv/lib/python3*/site-packages/_pytest")
        assert any("existing tests cannot be run" in note for note in await check(sandbox, task))
        unknown = replace(task, recipe=replace(task.recipe, test_command=None))
        assert any("no test command" in note for note in await check(sandbox, unknown))


async def test_the_set_up_script(task, tmp_path):
    async with started(task, tmp_path) as sandbox:
        assert await run_setup(sandbox, task.recipe) == ""
        assert await run_setup(sandbox, replace(task.recipe, setup="echo made > made\necho done")) == "done\n"
        assert await sandbox.read("made") == b"made\n"
        with pytest.raises(SetupFailed, match=r"(?s)exit code 3.*no such thing"):
            await run_setup(sandbox, replace(task.recipe, setup="echo no such thing; exit 3"))
        with pytest.raises(SetupFailed, match="did not end"):
            await run_setup(sandbox, replace(task.recipe, setup="sleep 3600"), timeout=0.5)


async def test_right_and_wrong_patches(task, tmp_path):
    async with started(task, tmp_path) as base:
        right = await grade(base, task, fix(task), GOLD)
        assert right.resolved and right.applied and set(right.results.values()) == {"passed"}
        wrong = await grade(base, task, diff(task.snapshot.tree, {"src/pkg/__init__.py": BUGGY + "\n"}), GOLD)
        assert wrong.applied and not wrong.resolved and "test_four" in wrong.reason
        for patch, word in (("", "empty"), ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "does not apply")):
            verdict = await grade(base, task, patch, GOLD)
            assert not verdict.applied and not verdict.resolved and word in verdict.reason
        more = replace(GOLD, pass_to_pass=("tests/test_hidden.py::test_gone",))
        verdict = await grade(base, task, fix(task), more)
        assert not verdict.resolved and verdict.missing == more.pass_to_pass and "no result" in verdict.reason
        assert not (
            await grade(base, task, fix(task), replace(GOLD, fail_to_pass=(), pass_to_pass=()))
        ).resolved
        slow = replace(GOLD, test_command="sleep 3600", test_format="exit")
        assert "in time" in (await grade(base, task, fix(task), slow, timeout=0.5)).reason


LINES = "\\nPASSED tests/test_hidden.py::test_four\\nPASSED tests/test_hidden.py::test_old\\n== 2 passed in 0.01s ==\\n"
FORGERIES = {
    "prints and leaves": {
        "src/pkg/__init__.py": f"import os\nprint('''{LINES}''', flush=True)\nos._exit(0)\n"
    },
    "says all is well": {"src/pkg/__init__.py": "import atexit, os\natexit.register(os._exit, 0)\n" + BUGGY},
    "ends badly after all passed": {
        "src/pkg/__init__.py": "import atexit, os\natexit.register(os._exit, 3)\n" + RIGHT
    },
    "writes its own hidden test": {"tests/test_hidden.py": "def test_four(): pass\n\ndef test_old(): pass\n"},
    "puts a folder there": {"tests/test_hidden.py/conftest.py": "x = 1\n"},
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_result_earns_nothing(task, tmp_path, name):
    async with started(task, tmp_path) as base:
        verdict = await grade(base, task, diff(task.snapshot.tree, FORGERIES[name]), GOLD)
        assert verdict.applied and not verdict.resolved


CHEAT = """import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    out = yield
    out.get_result().outcome = "passed"
"""


@pytest.mark.parametrize(
    "cheat",
    [
        {"conftest.py": CHEAT},
        {"src/cheat.py": CHEAT, "pytest.ini": "[pytest]\naddopts = -p cheat\n"},
        {"src/cheat.py": CHEAT, "setup.cfg": "[tool:pytest]\naddopts = -p cheat\n"},
        {"src/cheat.py": CHEAT, "pyproject.toml": "[tool.pytest.ini_options]\naddopts='-p cheat'\n"},
        {"src/usercustomize.py": "", "src/sitecustomize.py": "import os\n", "conftest.py": CHEAT},
    ],
)  # fmt: skip
async def test_machinery_makes_two_verdicts(task, tmp_path, cheat):
    async with started(task, tmp_path) as base:
        whole, clean = await grade_twice(base, task, diff(task.snapshot.tree, cheat), GOLD)
        assert whole.resolved and not clean.resolved, "the report has to say that they differ"


async def test_without_machinery_there_is_one_verdict(task, tmp_path):
    async with started(task, tmp_path) as base:
        more = {"pyproject.toml": "[project]\nname='pkg'\nversion='2'\n"}
        whole, clean = await grade_twice(base, task, fix(task, more), GOLD)
        assert whole is clean and whole.resolved


def test_tasks_have_an_id_of_their_own(task, checkout, tmp_path):
    assert task.id.startswith("my-project-")
    again = prepare_task(
        checkout, "double(2) is 5", folder=tmp_path / "a", overrides=Overrides(test_command="true")
    )
    other = prepare_task(checkout, "another issue", folder=tmp_path / "b", id="mine")
    assert again.id == task.id and other.id == "mine"
    assert not os.path.exists(tmp_path / "a/clone.git")
