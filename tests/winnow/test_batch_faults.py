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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_batch
from kills import children, command_line, kill_at, state
from toy_server import ToyServer
from waiting import wait_until
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
    _met = 0

    def arrived(self, body: dict[str, Any], headers: dict[str, str], path: str) -> tuple[int, Any]:
        with self.lock:
            self._met += self.stormy
            if self.stormy and self._met % 3 == 1:
                self.next(STORM[self._met // 3 % len(STORM)])
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


def at_work(process: subprocess.Popen[str]) -> tuple[int, int] | None:
    """(what starts the sandboxes of a run, one in which a command was stopped just now); None where none has a command.

    Stopped, so that it cannot end before its sandbox is killed.
    """
    for launcher in children(process.pid):
        if not command_line(launcher).startswith("winnow-sandbox"):
            continue
        for sandbox in children(launcher):
            for command in children(sandbox):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(command, signal.SIGSTOP)
                wait_until(
                    lambda command=command: state(command)[0] in ("T", ""), "a command stops or has ended"
                )
                if state(command)[0]:
                    return launcher, sandbox
    return None


def test_a_storm_at_the_server(night):
    home = night.home("storm")
    night.server.stormy = True
    done = home.run(*night.words())
    night.server.stormy = False
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(night.server.steps) > night.calls * 4 / 3
    night.same_end(home)


def test_sandboxes_and_what_starts_them_killed(night):
    """In the middle of commands. Two kills in all: three at one step would be the step's own fault."""
    home = night.home("killed")
    process = home.start(*night.words())
    wait_until(lambda: night.server.steps or process.poll() is not None, "the first call")
    for of_all in (False, True):
        launcher, sandbox = wait_until(lambda: at_work(process), "a command in a sandbox")
        os.kill(launcher if of_all else sandbox, signal.SIGKILL)
    _, errors = process.communicate()
    assert "Traceback" not in errors
    night.same_end(home)


def test_kill_9_at_three_moments(night):
    home = night.home("kill-9")
    words = night.words()
    for calls in (2, 9, 16):
        kill_at(home, night.server, words, lambda steps, calls=calls: len(steps) >= calls)
        words = ["resume", toy_batch.runs(home.store)[0]]
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
        night.server.hold(lambda steps: len(steps) >= 3)
        process = home.start(*night.words())
        wait_until(lambda: night.server.held or process.poll() is not None, "three calls")
        with filler.open("wb") as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 65536)
        night.server.go_on()
        assert any("tried again" in line for line in iter(process.stdout.readline, "")), (
            "nobody met the full disk"
        )
        filler.unlink(missing_ok=True)
        _, errors = process.communicate()
        assert "Traceback" not in errors
        night.same_end(home)
    finally:
        filler.unlink(missing_ok=True)
        subprocess.run(["umount", "-l", str(sandboxes)], check=False)
        shutil.rmtree(sandboxes, ignore_errors=True)
