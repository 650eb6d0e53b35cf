"""kill -9 of a run at moments that are chosen by what it does, and what must be so after each, however fast it was.

A kill strikes while the server holds a call back (`ToyServer.hold`), so the run cannot end before it. What was lost is
told by the journal: a reply that a run went on from is in it, and what is in it is never asked for again.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from toy_server import ToyServer
from waiting import wait_until
from winnow_home import Home

from store import open_store
from winnow.journaled_model import place


def runs(store: Path) -> list[str]:
    """The run, where the store has one with its issues."""
    if not store.exists():
        return []
    with sqlite3.connect(store) as db:
        try:
            return [
                row[0]
                for row in db.execute("select distinct runs.run from runs join tasks on tasks.run = runs.run")
            ]
        except sqlite3.OperationalError:
            return []


def alive(home: Path) -> list[str]:
    """Processes that name this data folder, start its sandboxes, or become one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        line = command_line(int(folder.name))
        try:
            mounts = (folder / "mounts").read_text(errors="replace")
        except OSError:
            continue
        if folder.name != str(os.getpid()) and (str(home) in line or f"{home}/" in mounts):
            found.append(f"{folder.name} {line[:100]}")
    return found


def command_line(pid: int) -> str:
    """The words of a process, "" where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """The children of a process, of each of its threads."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, file.read_text().split())
        except OSError:
            continue  # the thread has ended
    return found


def state(pid: int) -> tuple[str, str]:
    """(the letter for what a process does, when it began in ticks); ("", "") where it has ended.

    Its id may be another process's later.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return ("", "") if fields[0] in "ZX" else (fields[0], fields[19])


def family(pid: int) -> dict[int, str]:
    """A process and all that descend from it: when each began, by its id."""
    found, seen = {}, [pid]
    while seen:
        one = seen.pop()
        found[one] = state(one)[1]
        seen += children(one)
    return found


def until_gone(processes: dict[int, str]) -> None:
    """Wait until each of a family has ended."""
    wait_until(
        lambda: not any(began and state(pid)[1] == began for pid, began in processes.items()),
        f"every process of {sorted(processes)} has ended",
    )


def kill(home: Home, server: ToyServer, process: subprocess.Popen[str]) -> None:
    """Kill the process's group. In the end nothing of it is left; then the server answers others."""
    everybody = family(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    until_gone(everybody)
    wait_until(lambda: not alive(home.folder), f"no process of {home.folder} is left")
    server.drop()


def start_until(
    home: Home, server: ToyServer, words: Sequence[str], due: Callable[[list[str]], bool]
) -> subprocess.Popen[str]:
    """Start the command, and hold its calls back as soon as what was asked for is `due`: they are in flight then."""
    server.hold(due)
    process = home.start(*words)
    wait_until(lambda: server.held or process.poll() is not None, "the call at which the run is killed")
    assert process.poll() is None, f"it ended before it was killed: {process.communicate()}"
    return process


def kill_at(home: Home, server: ToyServer, words: Sequence[str], due: Callable[[list[str]], bool]) -> None:
    """See `start_until`; then kill."""
    kill(home, server, start_until(home, server, words, due))


class Kills:
    """Kills of one run on one issue, again and again. Calls are counted at `server`, outside of the killed group."""

    def __init__(self, home: Home, server: ToyServer):
        self._home = home
        self._server = server
        self._kept: list[tuple[int, set[str]]] = []

    def at(self, words: Sequence[str], due: Callable[[list[str]], bool]) -> None:
        """See `kill_at`. Only calls that are held back are in flight: what was answered is in the journal by then."""
        before = len(self._server.finished)
        process = start_until(self._home, self._server, words, due)
        wait_until(
            lambda: set(self._server.finished[before:]) <= self._in_journal(), "each reply is in the journal"
        )
        self.now(process)

    def now(self, process: subprocess.Popen[str]) -> None:
        """See `kill`."""
        kill(self._home, self._server, process)
        self._look()

    def _look(self) -> None:
        """Every reply that the run had gone on from is in the journal."""
        asked, kept = list(self._server.steps), self._in_journal()
        for step in set(asked) - kept:
            branch, _, index = step.rpartition("/")
            assert f"{branch}/{int(index) + 1}" not in asked, f"the reply at {step} was lost"
        self._kept.append((len(asked), kept))

    def paid_once(self) -> None:
        """In the end: what was in the journal at a kill was not asked for again after it."""
        for asked, kept in self._kept:
            again = kept & set(self._server.steps[asked:])
            assert not again, f"asked for again: {sorted(again)}"

    def _in_journal(self) -> set[str]:
        """The calls whose replies the journal has."""
        if not (found := runs(self._home.store)):
            return set()
        with open_store(self._home.store) as store:
            return {place(step.key) for step in store.steps(found[0]) if step.kind == "ask"}


def interrupt(process: subprocess.Popen[str], server: ToyServer) -> None:
    """Ctrl-C; the server answers again once the process has said that it stops, or has ended."""
    process.send_signal(signal.SIGINT)
    for line in iter(process.stdout.readline, ""):
        if line.startswith("stopping"):
            break
    server.go_on()


def asked_for(what: str) -> Callable[[list[str]], bool]:
    """Due as soon as a step was asked for that has `what` in its name."""
    return lambda steps: any(what in step for step in steps)


def killed_again_and_again(
    home: Home,
    server: ToyServer,
    words: list[str],
    more: Sequence[int],
    each: Callable[[], object] = lambda: None,
) -> None:
    """Run to the end, killed each time as so many more calls (`more`) have come, and resumed.

    each: done after every kill, when nothing of the run is left.
    """
    kills = Kills(home, server)
    for calls in more:
        enough = len(server.steps) + calls
        kills.at(words, lambda steps, enough=enough: len(steps) >= enough)
        each()
        words = ["resume", *runs(home.store)]
    done = home.run(*words)
    assert done.returncode == 0, done.stderr
    kills.paid_once()
