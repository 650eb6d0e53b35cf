"""A selection that is killed and goes on: what its journal has is not run again, whichever backend it goes on with."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets

import pytest
from waiting import PATIENCE

from agent import Candidate, Script
from environments import Recipe, Task, diff, freeze
from sandbox import CannotStart, Limits
from selection import Test, check_applies, run_matrix
from store import open_store
from winnow.base import Base
from winnow.journaled_sandbox import JournaledSandbox
from winnow.pen import Pen
from winnow.report import isolation
from winnow.stored import evidence_from_json, evidence_to_json

overlay = pytest.mark.overlay
docker = pytest.mark.docker


class Stop(Exception):
    """The process is killed here."""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "source").mkdir()
    for i in range(3):
        (tmp_path / f"source/part{i}").write_text(f"{i}\n")
    snapshot = freeze(tmp_path / "source", tmp_path / "frozen", at="/workspace/parts")
    task = Task("parts", "Parts are wrong.", snapshot, Recipe(test_command="true", test_format="exit"))
    candidates = [
        Candidate(f"attempt-{i}", diff(snapshot.tree, {f"part{i}": f"new {i}\n"})) for i in range(3)
    ]
    twin = Candidate("attempt-9", candidates[0].patch)
    tests = [
        Test(f"test-{i}", Script("sh", f"cat part{i}; grep -q new part{i} || exit 2\n")) for i in range(3)
    ]
    again = Test("test-9", tests[0].script)
    return task, [*candidates, twin], [*tests, again]


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "winnow.db") as store:
        store.create_run("run", config="{}", kind="test")
        with store.lease("run"):
            yield store


@pytest.fixture
async def open_base(tmp_path, job):
    """Bases on new backends of a kind ("none": where nothing can be started); all closed at the end."""
    opened = []

    def make(kind):
        if kind == "docker":
            from sandbox import DockerBackend

            backend = DockerBackend(f"test{secrets.token_hex(4)}")
        else:
            from sandbox import OverlayBackend

            backend = OverlayBackend(f"test{secrets.token_hex(4)}", tmp_path / "state")
        base = Base(backend, job[0], dataclasses.replace(Limits(), processes=64), lambda note: None)
        opened.extend((base, backend))
        if kind == "none":

            async def refuse(*_, **__):
                raise CannotStart("nothing can be started here")

            backend.start = refuse
        return base

    yield make
    for one in opened:
        await one.close()


async def weigh(base, store, job, stop_after=None, seen=None):
    """The matrix in a journal, stopped in the middle like by a kill: nobody hears of it. -> (cells, live, recalled)."""
    task, candidates, tests = job
    counts = {True: 0, False: 0}

    def count(step, live):
        counts[live] += "(tree)" not in step.key.branch

    ended = []

    def done(candidate, test, run):
        ended.append((candidate, test))
        if seen is not None:
            seen.append((candidate, test))
        if stop_after is not None and len(ended) >= stop_after:
            raise Stop  # each that ends from then on: a container's removal takes long enough for others to go on

    pen = Pen(store.journal("run", task.id), "selection", count)
    top = JournaledSandbox(base.sandbox, pen, "sandbox", cheap_copies=base.cheap_copies)
    changed = check_applies(task, candidates)
    try:
        cells = await run_matrix(
            top, task, candidates, tests, changed, timeout=PATIENCE, slots=asyncio.Semaphore(2), done=done
        )
    except Stop:
        cells = None
    finally:
        await pen.drain()
        await top.close()
    return cells, counts[True], counts[False]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param("overlay", "overlay", marks=overlay),
        pytest.param("docker", "docker", marks=docker),
        pytest.param("overlay", "docker", marks=[overlay, docker]),
        pytest.param("docker", "overlay", marks=[overlay, docker]),
    ],
)
async def test_a_killed_matrix_runs_only_what_is_missing(open_base, store, job, first, then):
    seen = []
    _, before, _ = await weigh(open_base(first), store, job, stop_after=5)
    assert 5 <= before < 12  # what was under way at the kill is kept too
    cells, live, recalled = await weigh(open_base(then), store, job, seen=seen)
    # Three patches and the unfixed code, three scripts: twins are not run.
    assert (live, recalled, len(seen)) == (12 - before, before, 12)
    # Four candidates and the unfixed code, four tests: twins have their cells.
    assert len(cells) == 20 and cells["attempt-9", "test-9"] == cells["attempt-0", "test-0"]
    assert [cells["attempt-0", f"test-{i}"].exit_code for i in (0, 1, 2, 9)] == [0, 2, 2, 0]

    again, live, recalled = await weigh(open_base("none"), store, job)
    assert (again, live, recalled) == (cells, 0, 12)


@docker
async def test_runs_in_a_reset_container_are_told_also_from_the_journal(open_base, store, job):
    from selection import Evidence

    cells, *_ = await weigh(open_base("docker"), store, job)
    again, *_ = await weigh(open_base("none"), store, job)
    for found in (cells, again):
        evidence = Evidence(tuple(job[1]), tuple(job[2]), cells=found)
        kept = evidence_from_json(evidence_to_json(evidence))
        reused = sum(run.reused for run in kept.cells.values())
        assert isolation(kept) == isolation(evidence)
        assert (f"in {reused} of these 20 runs" in isolation(kept)) == (reused > 0)
    fresh = {key: dataclasses.replace(run, reused=False) for key, run in cells.items()}
    assert isolation(Evidence(tuple(job[1]), cells=fresh)) == ""
