"""`winnow tail` beside a process that writes the run."""

import asyncio
import json
import os
import signal
import subprocess
import threading

import pytest
from graded_run import RUN, Told, Try, converse, patch_of, write
from waiting import PATIENCE
from winnow_home import WINNOW

from store import open_reader, open_store

TURNS = ("s", "u", "m1", "u2", "m2")
ISSUES = {
    "a__b-1": Told({"attempt-1": Try(patch_of(1), True, conversation=TURNS)}, "attempt-1"),
    "a__b-2": Told({"attempt-1": Try(patch_of(2), False, conversation=TURNS)}, "attempt-1"),
}


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "w.db", ISSUES)
    return tmp_path / "w.db"


def tail(file, *words, **more):
    return subprocess.Popen(
        [WINNOW, "tail", *words, "--store", str(file)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"}, **more,
    )  # fmt: skip


def test_a_run_that_ended_is_shown_and_left(file):
    said, errors = tail(file).communicate(timeout=PATIENCE)
    assert (
        not errors
        and said.count("attempt-1  asked about") == 4
        and said.splitlines()[-1].endswith("finished")
    )
    said, _ = tail(file, RUN[:9], "a__b-2", "-n", "1").communicate(timeout=PATIENCE)
    assert said.count("asked about") == 1 and "a__b-1" not in said
    said, _ = tail(file, "-n", "0").communicate(timeout=PATIENCE)
    assert len(said.splitlines()) == 2


def test_what_another_process_writes_is_told_once_and_then_the_end(file):
    with open_store(file) as store, store.lease(RUN):
        store.set_run(RUN, status="running", ended=None)
        process = tail(file, "-n", "1")
        lines = []
        listening = threading.Thread(target=lambda: lines.extend(process.stdout))
        # It knows what is new from when it shows what there was: its second line.
        lines += [process.stdout.readline(), process.stdout.readline()]
        listening.start()

        async def go_on():
            await converse(store, "a__b-1", "attempt-2", "agent", TURNS)
            await store.put_trajectory(
                RUN,
                "a__b-1",
                "attempt-2",
                ending="step limit",
                is_result=True,
                detail="no more [bold]\nsteps",
                body="",
            )

        asyncio.run(go_on())
        store.set_run(RUN, status="finished", ended=3000.0)
        process.wait(PATIENCE)
        listening.join(PATIENCE)
    text = "".join(lines)
    assert text.count("attempt-2  asked about agent") == 2
    assert text.count("step limit  no more [bold] steps") == 1
    assert lines[-1] == f"run {RUN}: finished\n" and process.stderr.read() == ""


def test_ctrl_c_ends_it_without_a_traceback_and_a_killed_run_is_interrupted(file):
    with open_store(file) as store:
        store.set_run(RUN, status="running", ended=None)
        said, _ = tail(file).communicate(timeout=PATIENCE)
        assert said.splitlines()[-1].endswith("interrupted")  # nobody holds its lease
        with store.lease(RUN):
            process = tail(file, "-n", "1", start_new_session=True)
            # With its second line it has begun to follow: Ctrl-C is its own to handle from then on.
            assert process.stdout.readline() and process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)
            assert "Traceback" not in errors


@pytest.mark.parametrize("words", [["nothing-like-it"], [RUN, "no-such-task"]])
def test_what_is_not_there_is_a_sentence(file, words):
    said, errors = tail(file, *words).communicate(timeout=PATIENCE)
    assert errors.startswith("winnow: ") and len(errors.strip().splitlines()) == 1


def test_an_empty_store_is_a_sentence(tmp_path):
    with open_store(tmp_path / "e.db"):
        pass
    assert "there is no run yet" in tail(tmp_path / "e.db").communicate(timeout=PATIENCE)[1]


def test_steps_are_read_a_page_at_a_time(file):
    with open_reader(file) as reader:
        first = reader.steps_since(RUN, 0, 3)
        rest = reader.steps_since(RUN, first[-1].number, 100)
        assert len(first) == 3 and [s.number for s in [*first, *rest]] == sorted(
            {s.number for s in [*first, *rest]}
        )
        assert reader.last_steps(RUN, 0) == rest[-1].number
        assert reader.last_steps(RUN, 1) == [*first, *rest][-2].number and reader.last_steps(RUN, 1000) == 0
        of_one = reader.steps_since(RUN, reader.last_steps(RUN, 1, "a__b-1"), 100, "a__b-1")
        assert [step.task for step in of_one] == ["a__b-1"] and json.dumps(of_one[0].seconds) == "1.0"
