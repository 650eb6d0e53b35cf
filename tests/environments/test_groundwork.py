"""Pieces of groundwork on disk, and the digest that says whether two tasks are in the same world."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time

import pytest

from environments import Anew, GroundworkFiles, Recipe, Task, freeze, world_digest
from sandbox import Place, RootFs

FILES = {
    "a.py": "A = 1\n",
    "tests/test_a.py": "def test_a():\n    pass\n",
    ".gitignore": "*.so\n",
    "fast.so": "1",
}


@pytest.fixture
def source(tmp_path):
    for path, text in FILES.items():
        place = tmp_path / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path / "source"


def task(source, folder, issue="it is wrong") -> Task:
    return Task(issue, issue, freeze(source, folder), Recipe())


def test_issues_of_one_repository_share_a_world(source, tmp_path):
    one, other = task(source, tmp_path / "one"), task(source, tmp_path / "two", "something else is wrong")
    assert one.id != other.id and world_digest(one) == world_digest(other) is not None
    assert world_digest(one, "overlay") != world_digest(one, "docker")


def test_whatever_is_in_the_tree_is_part_of_it_ignored_or_not(source, tmp_path):
    seen = {world_digest(task(source, tmp_path / "0"))}
    for path in ("a.py", "tests/test_a.py", "fast.so", "new.txt"):
        (source / path).write_text("other\n")
        seen.add(world_digest(task(source, tmp_path / path.replace("/", "-"))))
    assert len(seen) == 5


def test_so_are_dependencies_variables_and_the_root(source, tmp_path):
    made = task(source, tmp_path / "one")
    (tmp_path / "env").mkdir()
    (tmp_path / "env/lib.py").write_text("1")

    def digest(**recipe):
        return world_digest(dataclasses.replace(made, recipe=dataclasses.replace(made.recipe, **recipe)))

    seen = [digest(), digest(env={"A": "1"}), digest(services="true"), digest(root=RootFs(tmp_path / "env"))]
    with_env = {"places": (Place(tmp_path / "env", "/env"),)}
    seen.append(digest(**with_env))
    (tmp_path / "env/lib.py").write_text("22")
    seen.append(digest(**with_env))
    assert len(set(seen)) == len(seen) and None not in seen
    # What comes from a network is not decided by what is here.
    assert digest(setup="pip install x") is None and digest(network="host") is None


async def test_a_piece_is_made_once_by_whoever_comes_first(tmp_path):
    files, made = GroundworkFiles(tmp_path / "groundwork"), []
    name = files.name("w", "existing tests", [1])

    async def need(who):
        async with files.alone(name):
            if files.read(name) is None:
                await asyncio.sleep(0.05)
                made.append(who)
                files.write(name, {"by": who})
            return files.read(name)["by"]

    found = await asyncio.gather(*(need(i) for i in range(8)))
    assert len(made) == 1 and set(found) == set(made)
    assert files.read(files.name("other", "existing tests", [1])) is None
    assert files.read(files.name("w", "existing tests", [2])) is None


def test_half_a_piece_is_none_and_a_disk_that_takes_none_harms_nobody(tmp_path):
    files = GroundworkFiles(tmp_path / "nowhere")
    files.write("x", [1])  # there is no such folder: as with a full disk
    assert files.read("x") is None
    files.folder.mkdir()
    files.write("x", [1])
    assert files.read("x") == [1]
    (files.folder / "x.json").write_text("[1")
    assert files.read("x") is None


def test_what_nobody_used_for_long_is_removed(tmp_path):
    files = GroundworkFiles(tmp_path)
    for name in ("old", "read", "new"):
        files.write(name, name)
    for name in ("old", "read"):
        os.utime(tmp_path / f"{name}.json", (0, time.time() - 10 * 86_400))
    files.read("read")
    assert files.prune(9, really=False) == ["old"] and files.read("old") == "old"
    os.utime(tmp_path / "old.json", (0, time.time() - 10 * 86_400))
    assert files.prune(9) == ["old"] and files.read("old") is None
    assert files.read("read") == "read" and files.read("new") == "new"


async def test_without_anybody_who_keeps_it_all_is_made_and_picked(tmp_path):
    async def make():
        return {"a": 1, "b": 2}

    assert await Anew().once("x", [], make, pick=lambda found: {"a": found["a"]}) == {"a": 1}
