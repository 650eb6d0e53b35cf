"""Git's index knows the files of a copy: their stat data is what the base sandbox wrote down for all copies.

`git diff-files` lists every file whose stat data is not the index's, before it looks at what is in it: where all 6,000
files of a repository are listed, the first `git status` of each copy reads them all.
"""

from __future__ import annotations

import dataclasses
import secrets

import pytest

from environments import Recipe, Task, freeze
from sandbox import Limits
from winnow.base import Base

STALE = "git diff-files --name-only"


@pytest.fixture(
    params=[
        pytest.param("overlay", marks=pytest.mark.overlay),
        pytest.param("docker", marks=pytest.mark.docker),
    ]
)
async def backend(request, tmp_path):
    run = f"test{secrets.token_hex(4)}"
    if request.param == "docker":
        from sandbox import DockerBackend

        backend = DockerBackend(run)
    else:
        from sandbox import OverlayBackend

        backend = OverlayBackend(run, tmp_path / "state")
    yield backend
    await backend.close()


@pytest.fixture
def task(tmp_path) -> Task:
    for i in range(40):
        file = tmp_path / f"source/part{i % 4}/file{i}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{i}\n")
    snapshot = freeze(tmp_path / "source", tmp_path / "frozen", at="/workspace/parts")
    return Task("parts", "Parts are wrong.", snapshot, Recipe())


async def said(sandbox, command: str) -> list[str]:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.output
    return result.output.split()


async def test_copies_and_copies_of_copies_have_a_warm_index(backend, task):
    base = Base(backend, task, Limits(), lambda note: None)
    copy = await base.copy("copy")
    assert await said(copy, STALE) == []
    patched = await base.copy("patched")
    await patched.write("part1/file1", b"patched\n")
    for name in ("one", "two"):
        of_patched = await patched.copy(name)
        assert await said(of_patched, STALE) == ["part1/file1"]
        assert await said(of_patched, "git status --porcelain") == ["M", "part1/file1"]
        assert "+patched" in await said(of_patched, "git diff")
        await of_patched.close()
    await copy.close()
    await patched.close()
    await base.close()


async def test_after_a_set_up_too(backend, task):
    recipe = dataclasses.replace(task.recipe, setup="touch built && git update-index --refresh")
    base = Base(backend, dataclasses.replace(task, recipe=recipe), Limits(), lambda note: None)
    copy = await base.copy("copy")
    assert await said(copy, STALE) == []
    await copy.close()
    await base.close()


async def test_nothing_of_it_reaches_the_frozen_repository(backend, task):
    index = (task.snapshot.tree / ".git/index").read_bytes()
    config = (task.snapshot.tree / ".git/config").read_bytes()
    base = Base(backend, task, Limits(), lambda note: None)
    await (await base.copy("copy")).close()
    await base.close()
    assert (task.snapshot.tree / ".git/index").read_bytes() == index
    assert (task.snapshot.tree / ".git/config").read_bytes() == config
