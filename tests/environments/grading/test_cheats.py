"""Patches that try to be graded better than they are. Each is a real patch, run for real; none is resolved by it."""

import pytest
from small_project import MODULE, RIGHT, RUNNERS, SOURCE
from waiting import PATIENCE

from environments import diff, grade_instance, run_tests
from environments.grading import trial

pytestmark = pytest.mark.overlay

NAMES = ("test_double", "test_double_of_canary_3141592", "test_half", "test_shout")
LINES = {
    "pytest": "".join(f"PASSED {MODULE}::Numbers::{name}\\n" for name in NAMES)
    + "== 4 passed in 0.01s ==\\n",
    "unittest": "".join(f"{name} (tests.test_pkg.Numbers) ... ok\\n" for name in NAMES)
    + "\\nRan 4 tests in 0.001s\\n\\nOK\\n",
}
XML = (
    "<testsuites><testsuite>"
    + "".join(
        f'<testcase file=\\"{MODULE}\\" classname=\\"tests.test_pkg.Numbers\\" name=\\"{name}\\"/>'
        for name in NAMES
    )
    + "</testsuite></testsuites>"
)
TOLD = "[" + ",".join(f'[\\"{name} (tests.test_pkg.Numbers)\\",\\"\\",\\"passed\\"]' for name in NAMES) + "]"
FIND = "import glob, os\nplaces = glob.glob('/tmp/winnow-*')\n"


def source(text):
    """Code that the hidden tests import; the bug stays in it."""
    return {"pkg.py": text + "\n" + SOURCE}


def forged(report, then):
    """Write what a report looks like where the real one is expected, with any seal, at a moment of its own choosing."""
    return FIND + (
        "def forge():\n"
        "    for place in places:\n"
        f"        open(place + '/report', 'w').write(\"{report}\")\n"
        "        if not os.path.exists(place + '/seal'): open(place + '/seal', 'w').write('0' * 64)\n"
        f"{then}\n"
    )


EVERYWHERE = {
    "prints passing lines": source("print('''{lines}''', flush=True)"),
    "prints and leaves": source("import os\nprint('''{lines}''', flush=True)\nos._exit(0)"),
    "prints and leaves at the end": source(
        "import atexit, os\natexit.register(lambda: (print('''{lines}''', flush=True), os._exit(0)))"
    ),
    "leaves early": source("import sys\nsys.exit(0)"),
    "ends well whatever happened": source("import atexit, os\natexit.register(os._exit, 0)"),
    "kills the runner": source("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    "kills what waits for it": source(
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)"
    ),
    "kills everything": source(
        "import os, signal\nprint('''{lines}''', flush=True)\nos.kill(-1, signal.SIGKILL)"
    ),
    "writes the report and leaves": source(forged("{report}", "forge(); os._exit(0)")),
    "writes the report at the end": source(forged("{report}", "import atexit; atexit.register(forge)")),
    "looks for the key": source(
        FIND + "import hashlib, hmac\n"
        "for place in places:\n"
        "    key = open(place + '/key', 'rb').read()\n"
        "    open(place + '/report', 'w').write(\"{report}\")\n"
        "    seal = hmac.new(key, open(place + '/report', 'rb').read(), hashlib.sha256).hexdigest()\n"
        "    open(place + '/seal', 'w').write(seal)\n"
        "os._exit(0)"
    ),
    "changes the hidden tests as it is imported": source(
        "import re\ntext = open('tests/test_pkg.py').read()\n"
        "open('tests/test_pkg.py', 'w').write(re.sub(r'assertEqual.*', 'assertTrue(True)', text))"
    ),
    "writes its own hidden tests": {
        MODULE: "import unittest\nclass Numbers(unittest.TestCase):\n"
        + "".join(f"    def {name}(self): pass\n" for name in NAMES)
    },
}


def cheat(project, runner, name):
    fill = {"{lines}": LINES[runner], "{report}": {"pytest": XML, "unittest": TOLD}[runner]}
    changed = {}
    for path, text in EVERYWHERE[name].items():
        for mark, words in fill.items():
            text = text.replace(mark, words)
        changed[path] = text
    return project.diff(changed)


@pytest.mark.parametrize("runner", RUNNERS)
async def test_no_cheat_in_the_source_is_resolved(projects, prepared, runner):
    project = projects[runner]
    async with prepared(project.task) as base:
        for name in EVERYWHERE:
            patch = cheat(project, runner, name)
            grade = await grade_instance(base, project.task, project.reference, patch, timeout=PATIENCE)
            assert not grade.resolved and not grade.without_machinery.resolved, (name, grade)
            assert grade.verdict in ("not resolved", "broken"), (name, grade)


async def test_without_the_seal_and_without_the_hidden_files_cheats_succeed(projects, prepared, monkeypatch):
    """Each protection taken away: what it stands against works then."""
    project = projects["unittest"]

    async def nothing(*more):
        pass

    async with prepared(project.task) as base:
        for name, protection, instead in (
            ("prints and leaves", "run_sealed", run_tests),
            ("writes its own hidden tests", "_write_hidden", nothing),
        ):
            patch = cheat(project, "unittest", name)
            with monkeypatch.context() as taken:
                taken.setattr(trial, protection, instead)
                grade = await grade_instance(base, project.task, project.reference, patch)
            assert grade.resolved, (name, grade)


HOOK = """import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    out = yield
    out.get_result().outcome = "passed"
"""
SETTINGS = {
    "conftest.py": {"conftest.py": HOOK},
    "a conftest.py beside the tests": {"tests/conftest.py": HOOK},
    "pytest.ini": {"pytest.ini": "[pytest]\naddopts = -p cheat\n", "cheat.py": HOOK},
    "setup.cfg": {"setup.cfg": "[metadata]\nname = pkg\n[tool:pytest]\naddopts = -p cheat\n", "cheat.py": HOOK},
    "tox.ini": {"tox.ini": "[pytest]\naddopts = -p cheat\n", "cheat.py": HOOK},
    "pyproject.toml": {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p cheat'\n", "cheat.py": HOOK},
}  # fmt: skip


async def test_machinery_that_says_all_is_well_is_seen(project, prepared):
    """The official rule takes it; the second verdict does not, and a report says that they differ."""
    async with prepared(project.task) as base:
        for name, files in SETTINGS.items():
            grade = await grade_instance(base, project.task, project.reference, project.diff(files))
            assert grade.resolved and grade.differs and not grade.without_machinery.resolved, (name, grade)
            assert grade.without_machinery.verdict == "not resolved" and grade.machinery, (name, grade)


PLACES = [
    {"sitecustomize.py": "import os\nos._exit(0)\n"},
    {"pytest.py": f"print('''{LINES['pytest']}''')\n", "_pytest/__init__.py": ""},
    {"unittest.py": "raise SystemExit(0)\n"},
    {"hmac.py": "raise SystemExit(0)\n"},
    {"conftest.py": "import os\nos._exit(0)\n"},
]


@pytest.mark.parametrize("runner", RUNNERS)
async def test_what_is_loaded_in_place_of_a_tool_earns_nothing(projects, prepared, runner):
    project = projects[runner]
    async with prepared(project.task) as base:
        for files in PLACES:
            cheating = await grade_instance(base, project.task, project.reference, project.diff(files))
            assert not cheating.resolved and not cheating.without_machinery.resolved, (files, cheating)
        helped = {**PLACES[1], **PLACES[4], "pkg.py": RIGHT}
        right = await grade_instance(base, project.task, project.reference, project.diff(helped))
    assert right.without_machinery.resolved
    assert right.machinery == ("_pytest/__init__.py", "conftest.py", "pytest.py")


async def test_without_its_key_a_reporter_does_nothing(projects, prepared):
    """Programs that tests start find no key: they run as ever, and the report stays the first process's."""
    project = projects["unittest"]
    nested = RIGHT + (
        "\nimport os, subprocess, sys\n"
        "if not os.environ.get('NESTED'):\n"
        "    words = [sys.executable, '-m', 'unittest', '-v', 'tests.test_pkg']\n"
        "    said = subprocess.run(words, env={**os.environ, 'NESTED': '1'}, capture_output=True, text=True)\n"
        "    assert said.stderr.rstrip().endswith('OK'), said.stderr\n"
    )
    async with prepared(project.task) as base:
        patch = diff(project.task.snapshot.tree, {"pkg.py": nested})
        grade = await grade_instance(base, project.task, project.reference, patch)
    assert grade.resolved, grade
