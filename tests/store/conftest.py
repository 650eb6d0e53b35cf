"""Steps and stores for the tests, and processes of their own that can be killed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from programs import program_path

from store import Key, Part, Step, Store, open_store

HERE = Path(__file__).parent


def make_step(key: Key, texts: Sequence[Part], answer: str = "{}", **columns) -> Step:
    parts = tuple((part.label, digest(part.text)) for part in texts)
    return Step(key=key, kind=columns.pop("kind", "ask"), parts=parts, answer=answer, **columns)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "winnow.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    """A store with the run "run-1" in it."""
    with open_store(file) as opened:
        opened.create_run("run-1", config="{}", kind="solve", started=1.0)
        yield opened


@pytest.fixture
def step() -> Callable[..., Step]:
    return make_step


@pytest.fixture(scope="session")
def own_mounts() -> tuple[str, ...]:
    """The beginning of a command that may mount what it likes, seen by nobody else."""
    command = ("unshare", "-rm")
    if not program_path("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("mounting a disk of one's own needs Linux's unshare and user namespaces")
    return command


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen]]:
    """child("append", file): child.py in a process of its own, killed at the end. wrap: a command in front of it."""
    started = []

    def start(*words: object, wrap: Sequence[str] = ()) -> subprocess.Popen:
        command = [*wrap, sys.executable, str(HERE / "child.py"), *map(str, words)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE.parents[1]), *sys.path))}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
