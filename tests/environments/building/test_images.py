"""Rows that bring an image: its checkout found and covered by sealed history, its activation, what it built kept."""

import asyncio
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from environments import NotSealed, check, verify_sealed
from environments.building import Builder, BuildFailed
from environments.building.image_repository import carry_repository
from environments.instance import Instance
from sandbox import Images, Limits, open_backend, probe_docker, probe_overlay

sys.path.insert(0, str(Path(__file__).parent))
from checkout_image import checkout_image

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("builds")]
ACTIVATE = 'export PATH="/opt/miniconda3/envs/$1/bin:$PATH"; export CONDA_PREFIX="/opt/miniconda3/envs/$1"\n'
ACTIVATE += 'export CONDA_DEFAULT_ENV="$1"; SECRET=x\n'


@pytest.fixture
def image(new_repo, monkeypatch, tmp_path):
    """(an image with a checkout that is built and goes on after the base, the base commit, the repository)

    The checkout's own git settings make a file in /tmp, wherever they are obeyed; its name is on `repo.owned`.
    """
    if not probe_docker().works:
        pytest.skip("no Docker engine answers")
    repo = new_repo(
        {"pkg/__init__.py": "old = 1\n", "setup.py": "", "tests/test_a.py": "", ".gitignore": "*.so\n"}, "pkg"
    )
    base = repo.git("rev-parse", "HEAD")
    repo.commit({"pkg/__init__.py": "fixed = 1\n"}, "the answer")
    repo.owned = f"/tmp/owned-{secrets.token_hex(4)}"  # nobody else's: /tmp is the whole machine's
    repo.git("config", "core.fsmonitor", f"touch {repo.owned}")
    repo.write({"pkg/fast.so": "compiled", "notes.txt": "made by the image"})
    files = {"/opt/miniconda3/bin/activate": ACTIVATE, "/opt/miniconda3/envs/testbed/bin/x": ""}
    with checkout_image(repo.folder, files, monkeypatch) as name:
        yield name, base, repo


@pytest.fixture(params=["docker", pytest.param("overlay", marks=pytest.mark.overlay)])
async def backend(request, tmp_path):
    if request.param == "overlay" and not (await probe_overlay()).works:
        pytest.skip("no overlay sandbox here")
    made = open_backend(request.param, f"images-{secrets.token_hex(4)}", tmp_path / "state")
    yield made
    await made.close()


async def test_its_own_repository_is_sealed_activated_and_stays_built(backend, image, tmp_path):
    name, base, repo = image
    row = Instance(
        "row-1", "an issue", "own/pkg", base, image=name, test_command="python -m pytest -rA", env={"A": "b"}
    )
    with Images("test", tmp_path / "state") as images:
        builder = Builder(backend, tmp_path / "layers", repos=tmp_path, images=images)
        task = await builder.task(row)
        assert task.snapshot.at == "/testbed" and task.recipe.test_format == "pytest"
        assert task.recipe.env["CONDA_DEFAULT_ENV"] == "testbed" and task.recipe.env["A"] == "b"
        assert (
            task.recipe.env["PATH"].startswith("/opt/miniconda3/envs/testbed/bin:")
            and "SECRET" not in task.recipe.env
        )
        verify_sealed(task.snapshot.tree, base)
        sandbox = await backend.start(task.world(), name="look", limits=Limits())
        try:
            await check(sandbox, task)  # it would say that files differ
            said = await sandbox.run(
                f"cat pkg/__init__.py pkg/fast.so; git log --format=%s --all; ls {repo.owned}"
            )
        finally:
            await sandbox.close()
    assert "old = 1" in said.output and "compiled" in said.output and "the answer" not in said.output
    assert "cannot access" in said.output or "No such file" in said.output
    assert Path(repo.owned).name not in os.listdir("/tmp")


async def test_one_that_was_changed_since_is_not_used(backend, image, tmp_path):
    name, base, _ = image
    row = Instance("row-1", "an issue", "own/pkg", base, image=name, test_command="true")
    with Images("test", tmp_path / "state") as images:
        builder = Builder(backend, tmp_path / "layers", repos=tmp_path, images=images)
        task = await builder.task(row)
        (task.snapshot.tree / ".git/refs/tags/later").write_text(base + "\n")
        with pytest.raises(NotSealed, match=str(task.snapshot.tree.parent)):
            await builder.task(row)


async def test_what_is_taken_of_its_repository_runs_nothing(backend, image, tmp_path):
    """Its settings name a program that git runs when it looks at files."""
    name, base, repo = image
    into = tmp_path / "carried"
    await carry_repository(backend, Instance("row-1", "an issue", "own/pkg", base, image=name), into)
    words = ["git", "-c", "core.bare=false", f"--git-dir={into}", f"--work-tree={repo.folder}", "status"]
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True)
    assert done.returncode == 0 and Path(repo.owned).name not in os.listdir("/tmp")
    assert not [path for path in into.rglob("*") if path.is_symlink()]


async def test_a_mirror_goes_before_it_and_an_image_without_a_checkout_is_a_sentence(
    backend, image, tmp_path, new_repo
):
    name, base, repo = image
    row = Instance("row-1", "an issue", str(repo.folder), base, image=name)
    builder = Builder(backend, tmp_path / "layers")
    assert (await builder.task(row)).snapshot.base == base
    other = new_repo({"quite": "x", "different": "y", "files": "z"}, "other")
    wrong = replace(row, repo=str(other.folder), base_commit=other.git("rev-parse", "HEAD"))
    with pytest.raises(BuildFailed, match="has no checkout"):
        await builder.task(wrong)
