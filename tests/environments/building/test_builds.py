"""Small projects, made on the spot, built for real: an environment from the package index, in a sandbox of this kernel.

They need overlay sandboxes and a package index that tells when files came to it.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import textwrap

import pytest
import pytest_asyncio
from ordinary_user import ordinary_user, run_tests_as
from waiting import PATIENCE

from environments import NotSealed, check, run_tests, verify_sealed
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
INDEX = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "UV_DEFAULT_INDEX", "UV_INDEX", "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
)  # fmt: skip
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
        plain = {path: textwrap.dedent(text) for path, text in files.items() if isinstance(text, str)}
        repo = new_repo({**files, **plain}, name)
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


HOSTILE = """
import os, shutil, stat, subprocess, sys
from setuptools import setup

SPY = "#!/bin/sh\\ntouch RAN\\ncat 2>/dev/null\\n"

def put(path, text, mode=0o755):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)

# Links of the repository become folders with files in them, and folders become links.
for link in ("data", "deep/er/data", "package_data"):
    if os.path.islink(link):
        os.remove(link)
    put(link + "/cron", "evil")
    put(link + "/sub/cron", "evil")
if not os.path.islink("made"):
    os.symlink("VICTIM", "made")
    shutil.rmtree("notes", ignore_errors=True)
    os.symlink("VICTIM", "notes")
for folder in ("/opt/env/lib64", "/opt/env/share"):
    if os.path.islink(folder) or os.path.isdir(folder):
        (os.remove if os.path.islink(folder) else shutil.rmtree)(folder)
    put(folder + "/cron", "evil")
# Programs that are found first: what they print is not what is there.
for name in ("tar", "find", "split", "ls", "rm", "cp"):
    put("/opt/env/bin/" + name, SPY)
# What git would run, in the repository and below it.
with open("/testbed/.git/config", "a") as file:
    file.write("[core]\\n\\tfsmonitor = /opt/env/bin/tar\\n[filter \\"spy\\"]\\n\\tclean = touch RAN\\n")
put("/testbed/.git/info/attributes", "* filter=spy\\n")
put("/testbed/.gitattributes", "* filter=spy diff=spy\\n", 0o644)
put("/testbed/.git/hooks/post-index-change", SPY)
put("/testbed/.git/objects/info/alternates", "/\\n", 0o644)
put("/testbed/inner/.git/config", "[core]\\n\\tfsmonitor = touch RAN\\n")
put("/testbed/INNER/.GIT/config", "[core]\\n\\tfsmonitor = touch RAN\\n")
os.path.exists("pipe") or os.mkfifo("pipe")
setup(name="twice", py_modules=["twice"])
"""


@pytest.mark.parametrize(
    "on_docker",
    [pytest.param(False, id="overlay"), pytest.param(True, id="docker", marks=pytest.mark.docker)],
)
async def test_a_hostile_build_writes_and_runs_nothing_on_the_host(build, docker, tmp_path, on_docker):
    if on_docker and docker is None:
        pytest.skip("no Docker engine answers")
    victim, ran = tmp_path / "victim", tmp_path / "ran"
    victim.mkdir()
    files = {
        "setup.py": HOSTILE.replace("VICTIM", str(victim)).replace("RAN", str(ran)),
        "twice.py": MODULE,
        "test_twice.py": UNITTEST,
        "data": victim,
        "deep/er/data": victim,
        "package_data": victim,
        "notes/a.txt": "a",
    }
    task, report, _ = await build(files, into=tmp_path / "layers", on_docker=on_docker)
    assert report.whole and passed(report) == 1
    assert os.listdir(victim) == [] and not ran.exists()
    tree = task.snapshot.tree
    verify_sealed(tree, task.snapshot.base)
    assert os.readlink(tree / "data") == str(victim), "what the repository tracks stays as it was"
    assert not (tree / "inner/.git").exists() and not (tree / ".git/hooks").exists()


async def test_a_stored_environment_that_was_changed_is_not_used(new_repo, world, tmp_path):
    backend, folder = world
    repo = new_repo(
        {"pyproject.toml": PYPROJECT, "src/twice/__init__.py": MODULE, "tests/test_twice.py": TEST}
    )
    row = Instance(
        "row-1", "an issue", str(repo.folder), repo.git("rev-parse", "HEAD"), created=DAY, python=HERE
    )
    builder = Builder(backend, folder, tell=lambda said: None)
    task = await builder.task(row)
    hook = task.snapshot.tree / ".git/hooks/post-checkout"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\n")
    with pytest.raises(NotSealed, match=str(task.snapshot.tree.parent)):
        await builder.task(row)
    shutil.rmtree(hook.parent)
    assert (await builder.task(row)).snapshot == task.snapshot


async def test_a_hostile_build_gets_nothing_from_an_ordinary_user_either():
    """On overlay: no rights of root help here, and none are needed."""
    parts = (
        "agent",
        "environments",
        "models",
        "sandbox",
        "selection",
        "store",
        "winnow",
        "docker",
        "tests/environments",
    )
    index = {name: os.environ[name] for name in INDEX if name in os.environ}
    arguments = ["-k", "hostile_build_writes and overlay", "tests/environments/building/test_builds.py"]
    with ordinary_user() as user:
        await asyncio.to_thread(run_tests_as, user, parts, arguments, index)
