"""`winnow clean --unused`: worlds and groundwork that nobody used for long go, and come back when they are needed."""

from __future__ import annotations

import os
import time

import pytest
import toy_batch
from toy_server import ToyServer

# It takes from a Docker engine what any dead run left, and others' tests look for what theirs left.
pytestmark = pytest.mark.xdist_group("clean")

DAY = 86_400


def age(folder, days: float) -> None:
    """As if nothing in it had been used for so long."""
    for place in [*folder.glob("*/*"), *folder.glob("*.json")]:
        os.utime(place, (0, time.time() - days * DAY), follow_symlinks=False)


def test_only_what_was_not_used_for_so_long_is_removed_and_only_where_it_is_asked_for(home):
    old, young = (home.folder / f"built/worlds/{letter * 24}" for letter in "ab")
    for layer in (old, young):
        (layer / "env").mkdir(parents=True)
    (home.folder / "groundwork").mkdir()
    (home.folder / "groundwork/piece.json").write_text("1")
    age(home.folder / "groundwork", 40)
    os.utime(old, (0, time.time() - 40 * DAY))

    said = home.run("clean").stdout  # others' temporary folders may be among what it finds
    assert "built/" not in said and "groundwork" not in said and old.is_dir()
    said = home.run("clean", "--unused", "30", "--dry-run").stdout
    assert f"would remove built/worlds/{'a' * 24}, unused for 40 days" in said and "groundwork piece" in said
    assert old.is_dir() and "bbb" not in said
    wrong = home.run("clean", "--dry-run")
    assert wrong.returncode == 2 and "--unused" in wrong.stderr
    assert home.run("clean", "--unused", "0.1").returncode == 2

    said = home.run("clean", "--unused", "30").stdout
    assert f"removed built/worlds/{'a' * 24}" in said and "removed groundwork piece" in said
    assert not old.exists() and young.is_dir() and not (home.folder / "groundwork/piece.json").exists()


@pytest.mark.overlay
def test_a_run_whose_world_is_gone_builds_it_again(home, tmp_path):
    file = toy_batch.make_dataset(tmp_path / "data", ["swept"])
    with ToyServer() as server:
        words = [
            "--model",
            "openai/toy",
            "--api-base",
            server.url,
            "--recipe",
            str(file.parent / "recipe.toml"),
        ]
        more = ["--attempts", "1", "--sandbox", "overlay", "--price", "1,10", "-o", "selection.machine=off"]
        done = home.run("run", str(file), *words, *more)
        assert done.returncode == 0, done.stdout + done.stderr
        [world] = (home.folder / "built/worlds").glob("?" * 24)
        age(home.folder / "built", 40)
        said = home.run("clean", "--unused", "30").stdout
        assert f"removed built/worlds/{world.name}" in said and not world.exists()
        [run] = toy_batch.runs(home.store)
        done = home.run("resume", run, "--redo", "finished")
        assert done.returncode == 0, done.stdout + done.stderr
        assert world.is_dir() and "attempt-1 chosen" in home.run("status", run).stdout
