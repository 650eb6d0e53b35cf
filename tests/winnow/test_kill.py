"""kill -9 of the whole process group at many points: the end is that of an undisturbed run, and nothing is paid twice.

Calls are counted at the server, which lies outside of the killed group: at most the undisturbed number plus the calls
in flight at each kill. Every resume may be killed again.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
import toy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from toy_server import ToyServer
from winnow_home import Home

from store import Step, open_store
from winnow.batch_issues import KIND as STATE
from winnow.journaled_model import place

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("kill"), pytest.mark.timeout(1200)]

ATTEMPTS = 3
EXAMPLES = int(os.environ.get("WINNOW_KILLS", "4"))
"""Examples of the property; each kills a run up to three times. The closing notes give figures for many more."""


def arguments(server: ToyServer, checkout: Path) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--attempts", str(ATTEMPTS), "--sandbox", "overlay", "--price", "1,10",
    ]  # fmt: skip


def outcome(where: Path) -> dict:
    """All that must be the same in the end: keys of steps, replies, how executions ended, endings, the choice."""
    with open_store(where) as store:
        [run] = [row.run for row in store.runs() if store.tasks(row.run)]
        [task] = [row.task for row in store.tasks(run)]
        return {
            "steps": {place(s.key): said(s) for s in store.steps(run) if not s.key.branch.endswith("(tree)")},
            "endings": {t.trajectory: (t.ending, t.is_result, t.body) for t in store.trajectories(run, task)},
            # The issue's state says since when: another time in each run.
            "results": {(r.kind, r.name): r.body for r in store.results(run, task) if r.kind != STATE},
        }


def said(step: Step) -> object:
    """A reply as it was; of a command how it ended: its raw output has durations in it, which no prompt sees."""
    body = json.loads(step.answer)
    if step.kind == "decide":
        return body
    body.pop("seconds", None)
    return body if step.kind == "ask" else (body.get("exit_code"), body.get("ended"))


def alive(home: Path) -> list[str]:
    """Processes of sandboxes of this data folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mounts = (folder / "mounts").read_text(errors="replace")
        except OSError:
            continue
        if folder.name != str(os.getpid()) and (str(home) in line or f"{home}/" in mounts):
            found.append(f"{folder.name} {line[:100]}")
    return found


def kill_after(process: subprocess.Popen, server: ToyServer, calls: int, seconds: float) -> int | None:
    """Kill the group `seconds` after the server saw `calls` calls in all; the calls in flight then, None: it ended."""
    while len(server.steps) < calls and process.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds)
    if process.poll() is not None:
        return None
    with server.lock:
        os.killpg(process.pid, signal.SIGKILL)
        # A reply that is on its way counts as in flight: the client may not have seen the whole of it.
        in_flight = len(server.steps) - len(server.finished) + len(server.just_sent(0.1))
    process.wait()
    return in_flight


def killed_again_and_again(
    home: Home, server: ToyServer, words: list[str], more: tuple[int, ...], seconds: float, each=lambda: None
) -> tuple[int, int]:
    """Run to the end, killed each time after so many more calls (`more`) and resumed: (kills, calls in flight at them).

    each: done after every kill, when nothing of the run is left.
    """
    kills = in_flight = 0
    for calls in more:
        process = home.start(*words)
        lost = kill_after(process, server, len(server.steps) + calls, seconds)
        process.stdout.close()
        process.stderr.close()
        if lost is None:
            break
        kills, in_flight = kills + 1, in_flight + lost
        gone_by = time.monotonic() + 5
        while (left := alive(home.folder)) and time.monotonic() < gone_by:
            time.sleep(0.1)
        assert not left
        each()
        words = ["resume", _runs(home.store)[0]]
    done = home.run(*words)
    assert done.returncode == 0, done.stderr
    return kills, in_flight


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict, int, Path]:
    """(the outcome, the number of calls, the checkout) of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    checkout = toy.make_repository(folder / "repo")
    home = Home(folder / "home")
    with ToyServer() as server:
        done = home.run(*arguments(server, checkout))
        assert done.returncode == 0, done.stderr
        return outcome(home.store), len(server.steps), checkout


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="WINNOW_KILLS" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(kills=st.lists(st.tuples(st.integers(0, 6), st.floats(0, 0.6)), min_size=1, max_size=3))
def test_a_run_killed_anywhere_comes_to_the_same_end(undisturbed, tmp_path_factory, kills):
    expected, calls, checkout = undisturbed
    home = Home(tmp_path_factory.mktemp("killed") / "home")
    allowed = calls
    # Replies take a moment, so that kills meet calls in flight, of parallel attempts too.
    with ToyServer(seconds=0.05) as server:
        words = arguments(server, checkout)
        for more, seconds in kills:
            process = home.start(*words)
            in_flight = kill_after(process, server, len(server.steps) + more, seconds)
            process.stdout.close()
            process.stderr.close()
            if in_flight is None:
                break
            allowed += in_flight
            print(f"killed after {len(server.steps)} calls, {in_flight} in flight")
            gone_by = time.monotonic() + 5
            while (left := alive(home.folder)) and time.monotonic() < gone_by:
                time.sleep(0.1)
            assert not left, f"5 s after the kill there still were {left}"
            runs = _runs(home.store)
            words = ["resume", runs[0]] if runs else arguments(server, checkout)
        done = home.run(*(["resume", _runs(home.store)[0]] if _runs(home.store) else words))
        assert done.returncode == 0, done.stderr
        ended = outcome(home.store)
        assert ended["steps"].keys() == expected["steps"].keys()
        assert ended == expected
        print(f"{len(server.steps)} calls, {calls} undisturbed, {allowed} allowed")
        assert calls <= len(server.steps) <= allowed
        assert not alive(home.folder)
        assert not [p for p in (home.folder / "sandboxes").rglob("*") if p.is_file()]


def _runs(store: Path) -> list[str]:
    """The run, where the store has one with its task."""
    if not store.exists():
        return []
    with sqlite3.connect(store) as db:
        try:
            return [
                row[0] for row in db.execute("select runs.run from runs join tasks on tasks.run = runs.run")
            ]
        except sqlite3.OperationalError:
            return []


def test_a_second_process_on_the_same_run_is_refused(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer(seconds=1.0) as server:
        first = home.start(*arguments(server, checkout))
        while not server.steps:
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.05)
        [run] = _runs(home.store)
        second = home.run("resume", run)
        assert second.returncode == 2 and str(first.pid) in second.stderr and "Traceback" not in second.stderr
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        server.seconds = 0.0
        assert home.run("resume", run).returncode == 0


def test_ctrl_c_finishes_what_is_in_flight(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer(seconds=0.5) as server:
        first = home.start(*arguments(server, checkout))
        while len(server.steps) < 3:
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGINT)
        out, err = first.communicate(timeout=60)
        assert first.returncode == 130 and "resume" in err and "Traceback" not in err
        paid = len(server.steps)
        with sqlite3.connect(home.store) as db:
            [(kept,)] = db.execute("select count(*) from steps where kind = 'ask'")
        assert kept == paid
        server.seconds = 0.0
        assert home.run("resume", _runs(home.store)[0]).returncode == 0
        assert len(server.steps) == len(set(server.steps))
