"""The bundle: whole however many make it, from a place that only we can reach; no engine is needed to make it."""

import os
import stat
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import docker_bundle
from sandbox.docker_bundle import INSIDE, NoBundle, bundle, our_folder

REPOSITORY = Path(__file__).parents[2]
MAKE = "import sys, pathlib; from sandbox.docker_bundle import bundle; print(bundle(pathlib.Path(sys.argv[1])).folder)"


def test_many_processes_make_one(tmp_path):
    def make(_):
        argv = [sys.executable, "-c", MAKE, str(tmp_path)]
        return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(make, range(4)))
    assert os.listdir(tmp_path) == [os.path.basename(folder) for folder in folders]


def test_it_runs_by_itself_and_its_loader_can_only_be_executed(tmp_path):
    made = bundle(tmp_path)
    seen = subprocess.run(
        [word.replace(INSIDE, str(made.folder)) for word in made.arguments("/not/there", "")],
        capture_output=True,
        env={"PYTHONHOME": "/not/there"},
        text=True,
    )
    assert (seen.returncode, seen.stderr) == (98, "")
    assert stat.S_IMODE((made.folder / "loader").stat().st_mode) == 0o111
    for path in made.folder.rglob("*"):
        mode = path.lstat().st_mode
        assert not stat.S_ISLNK(mode) and (mode & stat.S_IROTH or path.name == "loader"), path


def test_nothing_of_the_image_or_the_host_is_in_it(tmp_path):
    """Neither the list of libraries that an image loads into all its programs, nor this machine's folders."""
    made = bundle(tmp_path)
    (made.folder / "loader").chmod(0o755)
    assert b"/etc/ld.so.preload" not in (made.folder / "loader").read_bytes()
    for path in made.folder.rglob("*.pyc"):
        compiled = path.read_bytes()
        assert str(REPOSITORY).encode() not in compiled
        assert sysconfig.get_path("stdlib").encode() not in compiled


def test_a_python_that_cannot_be_bundled_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho nothing; exit 3\n")
    program.chmod(0o755)
    (tmp_path / "at").mkdir()
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(NoBundle):
        bundle(tmp_path / "at")
    program.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(NoBundle, match="loader"):
        bundle(tmp_path / "at")
    assert os.listdir(tmp_path / "at") == []


def test_bundles_that_nobody_uses_go(tmp_path):
    for name, age in (("python-old", 8 * 86400), ("python-new", 86400)):
        (tmp_path / name).mkdir()
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    made = bundle(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([made.folder.name, "python-new"])


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """(the temporary folder, the home), both of this test."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home/.cache").mkdir(parents=True)
    return tmp_path / "tmp", tmp_path / "home"


def test_our_folder_is_ours_alone(homes):
    folder = our_folder()
    assert folder.parent == homes[0] and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert our_folder() == folder


@pytest.mark.parametrize("trap", ["link", "open to all", "a file"])
def test_what_somebody_else_may_have_made_is_not_used(homes, trap):
    planted = homes[0] / f"winnow.{os.geteuid()}"
    if trap == "link":
        (homes[1] / "elsewhere").mkdir(mode=0o700)
        planted.symlink_to(homes[1] / "elsewhere")
    elif trap == "a file":
        planted.touch()
    else:
        planted.mkdir()
        planted.chmod(0o777)
    assert our_folder().parent == homes[1] / ".cache"


def test_a_place_where_nothing_may_be_executed_is_not_used(homes, monkeypatch):
    class NoExec:
        f_flag = os.ST_NOEXEC

    asked = []
    real = os.statvfs

    def statvfs(path):
        asked.append(path)
        return NoExec if len(asked) == 1 else real(path)

    monkeypatch.setattr(docker_bundle.os, "statvfs", statvfs)
    assert our_folder().parent == homes[1] / ".cache"
    monkeypatch.setattr(docker_bundle.os, "statvfs", lambda path: NoExec)
    with pytest.raises(NoBundle, match="run programs"):
        our_folder()
