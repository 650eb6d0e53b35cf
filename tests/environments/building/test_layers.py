"""Layers: made once, also by many at once and in several processes, and begun again after a kill."""

import asyncio
import fcntl
import multiprocessing
import os
import signal

import pytest
from waiting import PATIENCE, wait_until, wait_until_async

from environments.building.layers import layer, name_of, remove


async def filled(folder):
    (folder / "a").write_text("a")


async def test_it_is_made_once_for_all_who_want_it(tmp_path):
    count = 0

    async def make(folder):
        nonlocal count
        count += 1
        await asyncio.sleep(0.05)
        await filled(folder)

    found = await asyncio.gather(*(layer(tmp_path, "x", make) for _ in range(20)))
    assert count == 1 and set(found) == {tmp_path / "x"} and (tmp_path / "x/a").read_text() == "a"
    assert await layer(tmp_path, "x", make) == tmp_path / "x" and count == 1


async def test_a_failed_making_leaves_nothing_and_is_tried_again(tmp_path):
    async def fail(folder):
        (folder / "half").touch()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await layer(tmp_path, "x", fail)
    assert not (tmp_path / "x").exists() and not (tmp_path / ".x.part").exists()
    assert (await layer(tmp_path, "x", filled) / "a").exists()


async def test_a_cancelled_one_lets_the_next_begin(tmp_path, monkeypatch):
    begun, refused, flock = asyncio.Event(), [], fcntl.flock

    def noting(descriptor, how):
        try:
            flock(descriptor, how)
        except BlockingIOError:
            refused.append(descriptor)
            raise

    async def endless(folder):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(fcntl, "flock", noting)
    first = asyncio.ensure_future(layer(tmp_path, "x", endless))
    await begun.wait()
    second = asyncio.ensure_future(layer(tmp_path, "x", filled))
    await wait_until_async(lambda: refused, "the second one waits for the first")
    first.cancel()
    assert (await second / "a").exists()


def _make_and_note(folder, notes, hang):
    async def make(into):
        (notes / str(os.getpid())).touch()
        (into / "half").touch()
        if hang:
            await asyncio.Event().wait()
        await asyncio.sleep(0.2)
        (into / "half").rename(into / "whole")

    asyncio.run(layer(folder, "x", make))


def test_processes_wait_for_each_other_and_a_killed_one_is_followed(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    notes = tmp_path / "notes"
    notes.mkdir()
    hanging = spawn.Process(target=_make_and_note, args=(tmp_path / "l", notes, True), daemon=True)
    hanging.start()
    wait_until((tmp_path / "l/.x.part/half").exists, "the one that hangs has begun")
    others = [spawn.Process(target=_make_and_note, args=(tmp_path / "l", notes, False)) for _ in range(2)]
    for one in others:
        one.start()
    os.kill(hanging.pid, signal.SIGKILL)
    for one in (hanging, *others):
        one.join(PATIENCE)
    assert [one.exitcode for one in others] == [0, 0]
    assert [path.name for path in (tmp_path / "l/x").iterdir()] == ["whole"]
    assert len(list(notes.iterdir())) == 2, "the killed one's, and one more"


def test_names_say_what_a_layer_is_made_from():
    assert name_of("a", [1, 2]) == name_of("a", [1, 2]) != name_of("a", [2, 1])
    assert name_of({"a": 1, "b": 2}) == name_of({"b": 2, "a": 1})


def test_folders_that_may_not_be_written_are_removed(tmp_path):
    inner = tmp_path / "x/y"
    inner.mkdir(parents=True)
    (inner / "z").touch()
    inner.chmod(0o500)
    remove(tmp_path / "x")
    assert not (tmp_path / "x").exists()
    remove(tmp_path / "x")
