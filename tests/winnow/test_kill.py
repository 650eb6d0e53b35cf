"""kill -9 of the whole process group at many points: the end is that of an undisturbed run, and nothing is paid twice.

Calls are counted at the server, which lies outside of the killed group: what the journal has is never asked for again,
and what it has not was in flight at a kill. Every resume may be killed again.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
import toy
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kills import Kills, alive, interrupt, runs
from toy_server import ToyServer
from waiting import PATIENCE, wait_until
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict, float, Path]:
    """(the outcome, the seconds, the checkout) of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    checkout = toy.make_repository(folder / "repo")
    home = Home(folder / "home")
    with ToyServer() as server:
        started = time.monotonic()
        done = home.run(*arguments(server, checkout))
        assert done.returncode == 0, done.stderr
        return outcome(home.store), time.monotonic() - started, checkout


@settings(
    max_examples=EXAMPLES,
    derandomize="WINNOW_KILLS" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
@given(kills=st.lists(st.tuples(st.integers(0, 6), st.floats(0, 0.15)), min_size=1, max_size=3))
def test_a_run_killed_anywhere_comes_to_the_same_end(undisturbed, tmp_path_factory, kills):
    """kills: after how many more calls, and then after which share of the time that an undisturbed run takes."""
    expected, whole, checkout = undisturbed
    home = Home(tmp_path_factory.mktemp("killed") / "home")
    # Replies take a moment, so that kills meet calls in flight, of parallel attempts too.
    with ToyServer(seconds=0.05) as server:
        words, killed = arguments(server, checkout), Kills(home, server)
        for more, share in kills:
            enough = len(server.steps) + more
            process = home.start(*words)
            wait_until(
                lambda enough=enough, process=process: (
                    len(server.steps) >= enough or process.poll() is not None
                ),
                f"{enough} calls",
            )
            time.sleep(share * whole)
            if process.poll() is not None:
                process.communicate()
                break
            killed.now(process)
            print(f"killed after {len(server.steps)} calls")
            words = ["resume", *runs(home.store)] if runs(home.store) else arguments(server, checkout)
        done = home.run(*(["resume", *runs(home.store)] if runs(home.store) else words))
        assert done.returncode == 0, done.stderr
        ended = outcome(home.store)
        assert ended["steps"].keys() == expected["steps"].keys()
        assert ended == expected
        killed.paid_once()
        assert not alive(home.folder)
        assert not [p for p in (home.folder / "sandboxes").rglob("*") if p.is_file()]


def test_a_second_process_on_the_same_run_is_refused(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer() as server:
        server.hold()
        first = home.start(*arguments(server, checkout))
        wait_until(lambda: server.held or first.poll() is not None, "the first call")
        [run] = runs(home.store)
        second = home.run("resume", run)
        assert second.returncode == 2 and str(first.pid) in second.stderr and "Traceback" not in second.stderr
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        server.go_on()
        assert home.run("resume", run).returncode == 0


def test_ctrl_c_finishes_what_is_in_flight(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer() as server:
        server.hold(lambda steps: len(steps) >= 3)
        first = home.start(*arguments(server, checkout))
        wait_until(lambda: server.held or first.poll() is not None, "the third call")
        interrupt(first, server)
        _, err = first.communicate(timeout=PATIENCE)
        assert first.returncode == 130 and "resume" in err and "Traceback" not in err
        paid = len(server.steps)
        with sqlite3.connect(home.store) as db:
            [(kept,)] = db.execute("select count(*) from steps where kind = 'ask'")
        assert kept == paid
        assert home.run("resume", *runs(home.store)).returncode == 0
        assert len(server.steps) == len(set(server.steps))
