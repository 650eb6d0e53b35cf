"""Runs, tasks, trajectories, results and totals."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from store import Key, Part, ResultRow, RunRow, StoreError, Totals, TrajectoryRow, open_store


def test_a_run_from_beginning_to_end(store):
    assert store.runs() == [RunRow("run-1", "solve", "running", "{}", 1.0, None)]
    store.set_run("run-1", status="finished", ended=9.0)
    assert store.run("run-1") == RunRow("run-1", "solve", "finished", "{}", 1.0, 9.0)
    store.set_run("run-1", status="running")
    assert store.run("run-1").ended is None
    with pytest.raises(StoreError, match="There is a run run-1 already"):
        store.create_run("run-1", config='{"other": 1}', kind="run")
    with pytest.raises(StoreError, match="no run 'run-7'.*nearest is run-1"):
        store.set_run("run-7", status="finished")
    with pytest.raises(ValueError, match="finished"):
        store.set_run("run-1", status="done")
    assert store.run("run-1").config == "{}"


def test_runs_are_found_by_the_beginning_of_their_id(store):
    for run in ("quiet-otter", "quiet-owl", "quiet", "x_1", "xy1"):
        store.create_run(run, config="{}", kind="solve")
    assert store.run("quiet-ot").run == "quiet-otter"
    assert store.run("quiet").run == "quiet"  # a whole id, though others begin so
    assert store.run("x_").run == "x_1"  # no pattern
    with pytest.raises(StoreError, match=r"2 runs begin with quiet-o \(quiet-otter, quiet-owl\)"):
        store.run("quiet-o")
    with pytest.raises(StoreError, match="nearest is quiet-otter"):
        store.run("quite-oter")
    for name in ("", "%", "Quiet-ot"):
        with pytest.raises(StoreError, match="no run"):
            store.run(name)


def test_an_empty_store_says_so(file):
    with open_store(file) as store:
        assert store.runs() == []
        with pytest.raises(StoreError, match="there is none yet"):
            store.run("any")


def test_tasks_keep_their_order_and_take_the_last_body(store):
    for task in ("b/2", "a", "b/10"):
        store.put_task("run-1", task, body=json.dumps({"was": task}))
    store.put_task("run-1", "b/2", body='{"now": 1}')
    assert [(row.task, row.body) for row in store.tasks("run-1")] == [
        ("b/2", '{"now": 1}'),
        ("a", '{"was": "a"}'),
        ("b/10", '{"was": "b/10"}'),
    ]
    with pytest.raises(StoreError, match="no such run"):
        store.put_task("run-2", "a", body="{}")
    assert store.tasks("run-2") == []


async def test_trajectories_and_results_are_ordered_by_name(store):
    names = ["attempt-10", "attempt-2", "attempt-1"]
    await asyncio.gather(
        *(store.put_trajectory("run-1", "t", name, ending=None, is_result=False) for name in names),
        *(store.put_result("run-1", "t", "evidence", f"cell/{name}", '"old"') for name in names),
        store.put_result("run-1", "t", "choice", "codemonkeys", "{}"),
        store.put_result("run-1", "other", "evidence", "x", "{}"),
    )
    await store.put_trajectory(
        "run-1", "t", "attempt-2", ending="finished", is_result=True, detail="d", body="{}"
    )
    await store.put_result("run-1", "t", "evidence", "cell/attempt-2", '"new"')
    rows = store.trajectories("run-1", "t")
    assert [row.trajectory for row in rows] == ["attempt-1", "attempt-2", "attempt-10"]
    assert rows[1] == TrajectoryRow("run-1", "t", "attempt-2", "finished", True, "d", "{}")
    assert rows[0].ending is None and rows[0].is_result is False
    assert [(row.name, row.body) for row in store.results("run-1", "t", "evidence")] == [
        ("cell/attempt-1", '"old"'),
        ("cell/attempt-2", '"new"'),
        ("cell/attempt-10", '"old"'),
    ]
    assert store.results("run-1", "t")[0] == ResultRow("run-1", "t", "choice", "codemonkeys", "{}")
    assert store.results("run-1", "t", "grade") == []


async def test_bodies_that_no_database_takes_keep_their_meaning(store):
    body = json.dumps({"patch": "caf\u00e9 \ud800 \U0001f600"}, ensure_ascii=False)
    await store.put_result("run-1", "t", "candidate", "a", body)
    assert json.loads(store.results("run-1", "t")[0].body) == json.loads(body)
    with pytest.raises(StoreError, match="not valid Unicode"):
        await store.put_result("run-1", "t", "candidate", "\ud800", "{}")


async def test_totals(store, step):
    assert store.totals("run-1") == Totals()
    text = (Part("command", "true"),)
    known = dict(prompt_tokens=10, completion_tokens=4, cached_tokens=2, seconds=1.5)
    for task in ("one", "two"):
        journal = store.journal("run-1", task)
        await journal.append(step(Key("a", "ask", 0), text, cost=0.5, **known), text)
        await journal.append(step(Key("a", "ask", 1), text, cost=None, **known), text)
        await journal.append(step(Key("a", "run", 0), text, kind="run", seconds=2.0), text)
        await journal.append(step(Key("a", "decide", 0), text, kind="decide"), text)
    one = Totals(
        2, 1, prompt_tokens=20, completion_tokens=8, cached_tokens=4, cost=0.5, unpriced=1, seconds=5.0
    )
    assert store.totals("run-1", "one") == one
    assert store.totals("run-1") == Totals(4, 2, 40, 16, 8, cost=1.0, unpriced=2, seconds=10.0)


async def test_an_error_reaches_the_one_it_belongs_to(store, step):
    """A bad row in the middle of a batch: its caller hears of it, the others' rows are written."""
    journal = store.journal("run-1", "task")
    text = (Part("command", "true"),)
    jobs = [journal.append(step(Key("a", "b", index), text), text) for index in range(30)]
    jobs[10:10] = [store.put_result("run-none", "t", "k", "n", "{}")]
    jobs[20:20] = [store.put_result("run-1", "t", "k", object(), "{}")]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    failed = [place for place, outcome in enumerate(outcomes) if outcome is not None]
    assert failed == [10, 20]
    assert all(isinstance(outcomes[place], StoreError) for place in failed)
    assert len(list(store.steps("run-1"))) == 30


async def test_a_closed_store_writes_no_more(file):
    store = open_store(file)
    store.create_run("run-1", config="{}", kind="solve")
    pending = asyncio.create_task(store.put_result("run-1", "t", "k", "n", "{}"))
    await asyncio.sleep(0)
    store.close()
    store.close()
    await pending
    with pytest.raises(StoreError, match="closed"):
        await store.put_result("run-1", "t", "k", "n", "{}")
    with pytest.raises(StoreError, match="closed"):
        store.set_run("run-1", status="finished")
    assert [part.name for part in file.parent.iterdir()] == [file.name]  # no -wal stays behind
    with open_store(file) as again:
        assert len(again.results("run-1", "t")) == 1


def test_two_event_loops_one_after_the_other(store):
    for name in ("a", "b"):
        asyncio.run(store.put_result("run-1", "t", "k", name, "{}"))
    assert len(store.results("run-1", "t")) == 2


def test_the_door_is_light():
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "import store, sys; print('sqlalchemy' in sys.modules, 'asyncio' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.split() == ["False", "False"]
