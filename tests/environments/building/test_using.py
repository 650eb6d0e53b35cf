"""Layers that nobody uses go, by the time of their last use; those that a living process works with stay."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from waiting import PATIENCE

from environments.building.layers import layer, name_of, remove, stamp
from environments.building.using import Using, layer_of, prune

DAY = 86_400


async def make(into):
    (into / "tree").mkdir()
    (into / "tree/a.txt").write_text("a")
    (into / "tree").chmod(0o500)


async def old_layer(folder, kind, *said, days=40):
    made = await layer(folder / kind, name_of(*said), make)
    for place in (made, stamp(made)):
        os.utime(place, (0, time.time() - days * DAY))
    return made


async def test_only_what_was_not_used_for_so_long_goes(tmp_path):
    old, used, young = [await old_layer(tmp_path, "worlds", i, days=d) for i, d in ((1, 40), (2, 40), (3, 5))]
    deps = await old_layer(tmp_path, "dependencies", 1)
    (tmp_path / "interpreters/cpython-3.9.18-linux").mkdir(parents=True)
    os.utime(tmp_path / "interpreters/cpython-3.9.18-linux", (0, 0))
    await layer(tmp_path / "worlds", used.name, make)  # somebody wants it: it is used now
    said = {gone.name for gone in prune(tmp_path, 30, really=False)}
    assert said == {f"worlds/{old.name}", f"dependencies/{deps.name}"} and old.is_dir()
    assert {gone.name for gone in prune(tmp_path, 30)} == said
    assert not old.exists() and not deps.exists() and used.is_dir() and young.is_dir()
    assert (tmp_path / "interpreters/cpython-3.9.18-linux").is_dir()
    again = await layer(tmp_path / "worlds", old.name, make)
    assert again == old and (old / "tree/a.txt").read_text() == "a"
    assert [gone.name for gone in prune(tmp_path, 30)] == []
    for made in (old, used, young):
        remove(made)


def _hold(folder, path, ready):
    using = Using(folder)
    using.note([path / "tree"])
    os.utime(stamp(path), (0, 0))
    ready.set()
    time.sleep(3600)


async def test_what_a_living_process_uses_stays_and_goes_when_it_was_killed(tmp_path):
    held = await old_layer(tmp_path, "worlds", 1)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, held, ready))
    process.start()
    assert ready.wait(PATIENCE)
    os.utime(held, (0, 0))
    assert prune(tmp_path, 30) == [] and held.is_dir()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert [gone.name for gone in prune(tmp_path, 30)] == [f"worlds/{held.name}"]


async def test_closing_lets_go_and_other_places_are_nobodys_business(tmp_path):
    made = await old_layer(tmp_path, "images", 1)
    using = Using(tmp_path)
    using.note([made / "tree", Path("/usr"), tmp_path / "images"])
    os.utime(stamp(made), (0, time.time() - 40 * DAY))
    assert prune(tmp_path, 30) == []
    using.close()
    using.close()
    assert [gone.name for gone in prune(tmp_path, 30)] == [f"images/{made.name}"]
    assert (
        layer_of(tmp_path, Path("/usr/lib/x")) is None and layer_of(tmp_path, tmp_path / "tools/x/y") is None
    )


async def test_halves_that_kills_left_go_too_and_a_making_under_way_stays(tmp_path):
    folder = tmp_path / "worlds"
    for name in (f".{name_of(1)}.gone", f".{name_of(2)}.part"):
        (folder / name / "x").mkdir(parents=True)
    (folder / f".{name_of(2)}.lock").touch()
    os.utime(folder / f".{name_of(2)}.part", (0, 0))

    async def slow(into):
        os.utime(into, (0, 0))
        assert prune(tmp_path, 2) == []
        assert into.is_dir() and not (folder / f".{name_of(2)}.part").exists()
        await make(into)

    made = await layer(folder, name_of(3), slow)
    assert made.is_dir() and not (folder / f".{name_of(1)}.gone").exists()


def test_less_than_a_day_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 or more"):
        prune(tmp_path, 0.5)
