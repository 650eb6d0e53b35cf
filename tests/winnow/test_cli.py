"""The command line: examples in every help, nothing heavy imported for it, the README true to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from winnow.cli import COMMANDS
from winnow.image_showing import size_of

pytestmark = pytest.mark.xdist_group("clean")

HEAVY = ("sqlalchemy", "openai", "litellm", "docker", "git", "jinja2", "pydantic", "rich", "httpx")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(home, command):
    done = home.run(command, "--help")
    assert done.returncode == 0 and f"Example: winnow {command}" in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["solve", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words):
    """What `winnow --help` takes is what it imports: a time would depend on the machine."""
    code = (
        "import sys\nfrom winnow.cli import app\n"
        f"try:\n    app({words!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_the_readme_names_only_what_there_is(home):
    """Every option and command that README and docs show is one that a --help knows."""
    helps = {command: home.run(command, "--help").stdout for command in COMMANDS}
    known = set(re.findall(r"--[a-z][a-z-]+", " ".join(helps.values())))
    for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = file.read_text()
        for line in re.findall(r"^winnow .*$|`winnow [^`]*`", text, re.MULTILINE):
            words = line.strip("`").split("#")[0].split()
            named = words[1].strip("`)") if len(words) > 1 else ""
            assert named in COMMANDS or named in ("run", "--help"), f"{file.name}: {line}"
            for option in re.findall(r"--[a-z][a-z-]+", " ".join(words)):
                assert option in known, f"{file.name}: {line}"


def test_doctor_says_what_works(home):
    done = home.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "overlay" in done.stdout and "docker" in done.stdout and "store" in done.stdout
    assert "not given here" in done.stdout  # no kernel and engine give everything


def test_an_empty_store_says_what_to_do(home):
    assert "winnow demo" in home.run("runs").stdout
    done = home.run("resume", "nothing")
    assert done.returncode == 2 and "nothing" in done.stderr and "Traceback" not in done.stderr


def test_a_store_that_cannot_be_opened_is_a_sentence(home, tmp_path):
    (tmp_path / "text").write_text("no database")
    done = home.run("runs", "--store", str(tmp_path / "text"))
    assert done.returncode == 3 and "Traceback" not in done.stderr and str(tmp_path / "text") in done.stderr


def test_clean_takes_old_temporary_folders_of_ours_only(home, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name, age in (("winnow-patch-old", 7200), ("winnow-patch-new", 0), ("others-old", 7200)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    done = home.run("clean")
    assert done.returncode == 0 and "winnow-patch-old" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} >= {"winnow-patch-new", "others-old"}
    assert not (tmp_path / "winnow-patch-old").exists()


def test_images_asks_for_a_budget_and_understands_sizes(home):
    for words in (
        ["--prune"],
        ["--budget", "1GB"],
        ["--prune", "--budget", "much"],
        ["--prune", "--budget", "-1"],
    ):
        done = home.run("images", *words)
        assert done.returncode == 2 and "--budget" in done.stderr and "Traceback" not in done.stderr
    assert "no images are kept" in home.run("images").stdout
    sizes = {
        "0": 0,
        "20GB": 20 * 10**9,
        "1.5 tb": 1500 * 10**9,
        "500M": 500 * 10**6,
        "4GiB": 4 << 30,
        "12": 12,
    }
    assert {text: size_of(text) for text in sizes} == sizes
    assert [size_of(text) for text in ("", "GB", "1XB", "1iB", "-1GB", "1,5GB", "NaN")] == [None] * 7


def test_images_without_an_engine_says_so(home, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    for words in ([], ["--prune", "--budget", "0"]):
        done = home.run("images", *words)
        assert done.returncode == 0 and "left out" in done.stdout and "Traceback" not in done.stderr, (
            done.stderr
        )
