"""One process works on a run: refused while the holder lives, succeeded once it is dead."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from types import SimpleNamespace

import pytest
from waiting import PATIENCE

from store import Key, Part, RunBusy, StoreError, open_store
from store import lease as lease_module
from store import writer as writer_module
from store.lease import EXPIRY

ASKED = (Part("command", "true"),)


def set_lease(file, **columns):
    """Make the lease look like somebody else's."""
    with sqlite3.connect(file) as connection:
        names = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(f"UPDATE leases SET {names}", tuple(columns.values()))
    connection.close()


def leases(file) -> list[tuple]:
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT run, pid FROM leases").fetchall()
    connection.close()
    return rows


def test_a_second_process_is_refused_until_the_first_one_is_done(store, file, child):
    first = child("hold", file)
    assert first.stdout.readline() == "held\n"
    with pytest.raises(RunBusy, match=f"process {first.pid} on ") as caught, store.lease("run-1"):
        pass
    assert caught.value.pid == first.pid
    assert store.worked_on("run-1")
    second, _ = child("hold", file).communicate("\n", timeout=PATIENCE)
    assert second.startswith(f"busy {first.pid} Run run-1 is being worked on")
    assert first.communicate("\n", timeout=PATIENCE)[0] == "given back\n"
    assert not store.worked_on("run-1")
    with store.lease("run-1"):
        assert leases(file) == [("run-1", os.getpid())]
    assert leases(file) == []


@pytest.mark.parametrize("buried", [True, False])
def test_a_killed_holder_is_succeeded_at_once(store, file, child, buried):
    """Also while it is a zombie that its parent has not waited for."""
    first = child("hold", file)
    assert first.stdout.readline() == "held\n"
    first.kill()
    if buried:
        first.wait()
    else:
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    with store.lease("run-1"):
        assert leases(file) == [("run-1", os.getpid())]
    assert leases(file) == []


def test_a_stopped_holder_still_holds(store, file, child):
    first = child("hold", file)
    assert first.stdout.readline() == "held\n"
    first.send_signal(signal.SIGSTOP)
    set_lease(file, beat=time.time() - 10 * EXPIRY)
    with pytest.raises(RunBusy), store.lease("run-1"):
        pass


def test_one_process_twice(store, file):
    with store.lease("run-1"):
        with pytest.raises(RunBusy, match=str(os.getpid())), store.lease("run-1"):
            pass
        with open_store(file) as twin, pytest.raises(RunBusy), twin.lease("run-1"):
            pass
        assert leases(file) == [("run-1", os.getpid())]  # the refused ones took nothing away


def test_leases_of_different_runs_do_not_meet(store):
    store.create_run("run-2", config="{}", kind="solve")
    with store.lease("run-1"), store.lease("run-2"):
        pass
    with pytest.raises(StoreError, match="no run 'run-3'"), store.lease("run-3"):
        pass


def test_a_process_id_that_was_given_to_another_process(store, file, child):
    first = child("hold", file)
    assert first.stdout.readline() == "held\n"
    set_lease(file, pid_started="1")  # it started at another time: it is not the one that took the lease
    with store.lease("run-1"):
        assert leases(file) == [("run-1", os.getpid())]


@pytest.mark.parametrize("elsewhere", [{"host": "another-machine"}, {"place": "another boot"}])
def test_a_holder_elsewhere_is_alive_while_it_gives_a_sign(store, file, child, elsewhere, monkeypatch):
    first = child("hold", file)
    assert first.stdout.readline() == "held\n"
    first.kill()
    first.wait()
    now = time.time()
    monkeypatch.setattr(lease_module, "time", SimpleNamespace(time=lambda: now))  # it stands still
    set_lease(file, beat=now - EXPIRY + 1, **elsewhere)
    with pytest.raises(RunBusy), store.lease("run-1"):
        pass
    set_lease(file, beat=now - EXPIRY - 1)
    with store.lease("run-1"):
        assert leases(file) == [("run-1", os.getpid())]


async def test_whoever_lost_the_lease_writes_no_more(store, file, step, monkeypatch):
    """A machine slept, another one took over: the first learns of it before it writes again."""
    journal = store.journal("run-1", "task")
    await journal.append(step(Key("a", "b", 0), ASKED), ASKED)
    with store.lease("run-1"):
        set_lease(file, holder="somebody else", host="another-machine", pid=77)
        monkeypatch.setattr(writer_module.time, "monotonic", lambda now=time.monotonic: now() + 3600)
        for index in (1, 2):
            with pytest.raises(RunBusy, match="process 77 on another-machine"):
                await journal.append(step(Key("a", "b", index), ASKED), ASKED)
        with pytest.raises(RunBusy):
            await store.put_result("run-1", "task", "k", "n", "{}")
        monkeypatch.undo()
    assert leases(file) == [("run-1", 77)]  # it is not ours to give back
    assert len(list(store.steps("run-1"))) == 1


def test_signs_of_life_are_given(store, file, monkeypatch):
    with store.lease("run-1"):
        set_lease(file, beat=1.0)
        before = time.time()
        monkeypatch.setattr(writer_module.time, "monotonic", lambda now=time.monotonic: now() + 3600)
        store.set_run("run-1", status="running")
        with sqlite3.connect(file) as connection:
            (beat,) = connection.execute("SELECT beat FROM leases").fetchone()
        connection.close()
        assert beat >= before


def test_closing_gives_the_lease_back(file):
    store = open_store(file)
    store.create_run("run-1", config="{}", kind="solve")
    with store.lease("run-1"):
        store.close()
        assert leases(file) == []
    with open_store(file) as again, again.lease("run-1"):
        pass
