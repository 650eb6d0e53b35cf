"""Small projects, made on the spot, built for real: an environment from the package index, in a sandbox of this kernel.

They need overlay sandboxes and a package index that tells when files came to it.
"""

import asyncio
import secrets
import subprocess
import sys
import textwrap

import pytest
import pytest_asyncio
from waiting import PATIENCE

from environments import check, run_tests
from environments.building import Builder, BuildFailed
from environments.building.index import read_index
from environments.building.interpreters import uv_program
from environments.instance import Instance
from sandbox import Limits, open_backend, probe_docker, probe_overlay

pytestmark = [
    pytest.mark.overlay,
    pytest.mark.timeout(1800),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("builds"),
]
SECRET = "a-password-of-somebody"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
DAY = "2024-03-01T00:00:00Z"
MODULE = "def double(x):\n    return 2 * x\n"
TEST = "from twice import double\n\ndef test_two(): assert double(2) == 4\n\ndef test_ten(): assert double(10) == 20\n"
UNITTEST = """\
import unittest
from twice import double

class Doubling(unittest.TestCase):
    def test_two(self):
        self.assertEqual(double(2), 4)
"""
PYPROJECT = """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "twice"
version = "1"
dependencies = ["iniconfig"]

[project.optional-dependencies]
test = ["pytest"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    """A backend and a folder of layers for all tests here; what cannot be had is said."""
    probe = await probe_overlay()
    if not probe.works:
        pytest.skip(f"overlay: {probe.why} {probe.cure}")
    index = read_index()
    words = ["pip", "compile", "-q", "--exclude-newer", DAY, "--no-config", "-"]
    done = await asyncio.to_thread(
        subprocess.run,
        [uv_program(), *words],
        input=b"iniconfig",
        capture_output=True,
        env=_environ(index),
        timeout=PATIENCE,
    )
    if done.returncode:
        pytest.skip(f"no package index that tells when files came: {done.stderr.decode()[-300:]}")
    folder = tmp_path_factory.mktemp("layers")
    backend = open_backend("overlay", f"builds-{secrets.token_hex(4)}", tmp_path_factory.mktemp("state"))
    yield backend, folder
    await backend.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def docker(tmp_path_factory):
    """None where no engine answers."""
    if not (await asyncio.to_thread(probe_docker)).works:
        yield None
        return
    backend = open_backend("docker", f"builds-{secrets.token_hex(4)}", tmp_path_factory.mktemp("docker"))
    yield backend
    await backend.close()


def _environ(index):
    import os

    said = {
        name: value for name, value in index.env.items() if "CERT" not in name and "CA_BUNDLE" not in name
    }
    return {**os.environ, **said}


@pytest.fixture
def build(world, docker, new_repo, tmp_path, monkeypatch):
    """Build a project of these files, and run its tests in a sandbox without a network."""
    overlay, folder = world
    monkeypatch.setenv("GIT_COMMITTER_DATE", DAY)

    async def make(files, *, name="twice", recipe=None, into=None, on_docker=False, **row):
        backend = docker if on_docker else overlay
        repo = new_repo({path: textwrap.dedent(text) for path, text in files.items()}, name)
        commit = repo.git("rev-parse", "HEAD")
        if recipe:
            (tmp_path / "recipe.toml").write_text(recipe)
        builder = Builder(
            backend,
            into or folder,
            recipes=tmp_path / "recipe.toml" if recipe else None,
            tell=lambda said: None,
        )
        row = {"created": DAY, "python": HERE, **row}
        task = await builder.task(Instance("row-1", "an issue", str(repo.folder), commit, **row))
        sandbox = await backend.start(task.world(), name="tests", limits=Limits())
        try:
            notes = await check(sandbox, task)
            report = await run_tests(sandbox, task.recipe)
        finally:
            await sandbox.close()
        return task, report, notes

    return make


def passed(report):
    return sum(outcome == "passed" for outcome in report.results.values())


async def test_a_pyproject_with_a_test_extra_in_a_src_layout(build, world, monkeypatch):
    monkeypatch.setenv(
        "UV_INDEX_PRIVATE_PASSWORD", SECRET
    )  # it goes to the build's commands, and nowhere else
    files = {"pyproject.toml": PYPROJECT, "src/twice/__init__.py": MODULE, "tests/test_twice.py": TEST}
    task, report, notes = await build(files)
    assert report.whole and passed(report) == 2 and notes == ()
    assert task.recipe.network == "none" and task.recipe.env["VIRTUAL_ENV"] == "/opt/env"
    assert not (task.snapshot.tree / "src/twice.egg-info").is_symlink()
    listed = [path.name for path in (world[1] / "dependencies").iterdir() if not path.name.startswith(".")]
    assert not [
        path for path in world[1].rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    # A change of the source alone shares the dependencies.
    again, report, _ = await build({**files, "README": "changed"}, name="fork")
    assert again.snapshot.head != task.snapshot.head and passed(report) == 2
    assert [
        path.name for path in (world[1] / "dependencies").iterdir() if not path.name.startswith(".")
    ] == listed


async def test_requirements_only_and_a_test_library_that_nobody_named(build):
    test = "import sortedcontainers\n" + TEST  # imported by a test, declared nowhere
    files = {
        "requirements-dev.txt": "pytest==8.0.0\n",
        "twice/__init__.py": MODULE,
        "tests/test_twice.py": test,
    }
    task, report, _ = await build(files)
    assert passed(report) == 2
    assert any("added, since its tests want them: sortedcontainers" in why for why in task.recipe.why)


async def test_one_that_cannot_be_built_says_the_lines_that_matter(build):
    needs = "install_requires=['no-such-thing-as-this==99']"
    setup = f"from setuptools import setup\nsetup(name='x', py_modules=['x'], {needs})\n"
    with pytest.raises(BuildFailed) as caught:
        await build({"setup.py": setup, "x.py": MODULE, "test_x.py": "def test_x(): pass\n"})
    assert "row-1 cannot be built" in caught.value.sentence
    said = "\n".join(caught.value.lines)
    assert "no-such-thing-as-this" in said and len(caught.value.lines) <= 13, said


async def test_a_recipe_is_obeyed_and_its_service_runs_beside_the_tests(build):
    test = "import urllib.request as r\ndef test_up(): assert r.urlopen('http://127.0.0.1:8791/').status == 200\n"
    recipe = """
        install = "path"
        test_command = "python -m pytest -rA tests"
        env = {SAID = "yes"}
        requirements = ["pytest"]
        [[services]]
        name = "web"
        start = "python -m http.server --bind 127.0.0.1 8791"
        ready = "python -c 'import urllib.request as r; r.urlopen(\\"http://127.0.0.1:8791/\\")'"
        """
    task, report, _ = await build(
        {"twice.py": MODULE, "tests/test_web.py": test}, recipe=textwrap.dedent(recipe)
    )
    assert passed(report) == 1 and report.whole and task.recipe.env["SAID"] == "yes"


TRAP = """\
import os, sys
from setuptools import setup

trap = "/opt/env/x\\n" + VICTIM  # a name that reads like a path of the host when a list is cut at its lines
if {"dist_info", "egg_info"} & set(sys.argv):
    os.makedirs(os.path.dirname(trap), exist_ok=True)
    open(trap, "w").close()
elif os.path.exists(trap):
    os.remove(trap)
setup(name="twice", py_modules=["twice"])
"""


@pytest.mark.docker
async def test_on_docker_too_and_no_name_of_a_build_is_a_name_of_the_host(build, docker, tmp_path):
    if docker is None:
        pytest.skip("no Docker engine answers")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    files = {
        "setup.py": TRAP.replace("VICTIM", repr(str(victim))),
        "twice.py": MODULE,
        "test_twice.py": UNITTEST,
    }
    task, report, _ = await build(files, into=tmp_path / "layers", on_docker=True)
    assert report.whole and passed(report) == 1
    assert victim.read_text() == "mine"
    trap = next(place for place in task.recipe.places if place.target == "/opt/env").source / f"x\n{victim}"
    assert trap.parent.is_dir() and not trap.exists(), "it was there, and the installation removed it"
