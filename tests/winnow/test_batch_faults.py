"""A batch in a bad night: storms of 429, cut replies, killed sandboxes, kill -9, a full disk.

Its end is that of a quiet run: the same steps, replies, endings, evidence and choices; and nothing is left behind.

bench/batch_faults.py does the same to real issues, on docker too, with the engine restarted.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import toy_batch
from toy_server import ToyServer
from winnow_home import Home

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("batch"), pytest.mark.timeout(600)]

ATTEMPTS, ISSUES = 2, ("a", "b")
STORM = [
    {"misbehave": "rate_limit", "retry_after": 0},
    {"misbehave": "cut"},
    {"misbehave": "error", "status": 503},
    {"misbehave": "truncated"},
    {"misbehave": "empty_choices"},
    {"misbehave": "hang_up"},
]


class Moody(ToyServer):
    """The toy's server, of whose calls every third misbehaves while it is stormy, each in another way."""

    stormy = False

    def arrived(self, body: dict[str, Any], headers: dict[str, str], path: str) -> tuple[int, Any]:
        if self.stormy and len(self.steps) % 3 == 0:
            self.next(STORM[len(self.steps) // 3 % len(STORM)])
        return super().arrived(body, headers, path)


class Night:
    """A dataset, a server, homes with the worlds built already, and the end that every run must come to."""

    def __init__(self, folder: Path, server: Moody):
        self.folder, self.server = folder, server
        self.dataset = toy_batch.make_dataset(folder / "data", list(ISSUES))
        (folder / "built").mkdir()
        quiet = self.home("quiet")
        done = quiet.run(*self.words())
        assert done.returncode == 0, done.stdout + done.stderr
        self.expected = toy_batch.outcome(quiet.store, toy_batch.runs(quiet.store)[0])
        self.calls = len(server.finished)

    def home(self, name: str) -> Home:
        home = Home(self.folder / name)
        home.folder.mkdir(exist_ok=True)
        (home.folder / "built").symlink_to(self.folder / "built")
        self.server.steps.clear()
        self.server.finished.clear()
        return home

    def words(self) -> list[str]:
        return [
            "run", str(self.dataset), "--model", "openai/toy", "--api-base", self.server.url, "--price", "1,10",
            "--attempts", str(ATTEMPTS), "--recipe", str(self.dataset.parent / "recipe.toml"),
            "--sandbox", "overlay", "-o", "limits.pause=0.5", "-o", "limits.rounds=4",
        ]  # fmt: skip

    def same_end(self, home: Home, kills: int = 0) -> None:
        """Resume, and compare. kills: of the process, at each of which calls may have been in flight."""
        [run] = toy_batch.runs(home.store)
        done = home.run("resume", run)
        assert done.returncode == 0, done.stdout + done.stderr
        assert toy_batch.outcome(home.store, run) == self.expected
        paid = len(self.server.finished)
        assert self.calls <= paid <= self.calls + kills * ATTEMPTS * len(ISSUES) + len(STORM)
        assert not processes_of(home)
        assert not [path for path in (home.folder / "sandboxes").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Iterator[Night]:
    with Moody() as server:
        yield Night(tmp_path_factory.mktemp("night"), server)


def processes_of(home: Home) -> list[int]:
    """Processes of the home's sandboxes, those that start them too."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (
                folder.name != str(os.getpid())
                and f"{home.folder}/sandboxes/" in (folder / "mounts").read_text()
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@contextmanager
def again_and_again(act: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do something every few moments, in a thread."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(seconds):
            act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_storm_at_the_server(night):
    home = night.home("storm")
    night.server.stormy = True
    done = home.run(*night.words())
    night.server.stormy = False
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(night.server.steps) > night.calls * 4 / 3
    night.same_end(home)


def test_sandboxes_and_what_starts_them_killed(night):
    home = night.home("killed")
    killed: list[int] = []
    seen = 0

    def kill_one() -> None:
        """The oldest is what starts them all; the newest is somebody's sandbox. Never twice at one step, which would be
        the step's own fault."""
        nonlocal seen
        alive, calls = sorted(processes_of(home)), len(night.server.steps)
        if alive and calls >= seen + 3:
            victim = alive[0] if len(killed) % 3 == 2 else alive[-1]
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
                seen = calls

    with again_and_again(kill_one, 0.1):
        done = home.run(*night.words())
    assert killed and "Traceback" not in done.stderr
    night.same_end(home)


def test_kill_9_at_three_moments(night):
    home = night.home("kill-9")
    night.server.seconds = 0.05
    words = night.words()
    for calls in (2, 9, 16):
        process = home.start(*words)
        while len(night.server.steps) < calls and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        words = ["resume", toy_batch.runs(home.store)[0]]
    gone_by = time.monotonic() + 5
    while (left := processes_of(home)) and time.monotonic() < gone_by:
        time.sleep(0.1)
    assert not left, f"5 s after the kill there still were {left}"
    night.server.seconds = 0.0
    night.same_end(home, kills=3)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root alone")
def test_a_full_disk_and_room_again(night):
    home = night.home("full")
    sandboxes, filler = home.folder / "sandboxes", home.folder / "sandboxes" / "filler"
    sandboxes.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(sandboxes)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        process = home.start(*night.words())
        while len(night.server.steps) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        with filler.open("wb") as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 65536)
        time.sleep(3)
        filler.unlink(missing_ok=True)
        _, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors
        night.same_end(home)
    finally:
        filler.unlink(missing_ok=True)
        subprocess.run(["umount", "-l", str(sandboxes)], check=False)
        shutil.rmtree(sandboxes, ignore_errors=True)
