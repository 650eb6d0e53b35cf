"""Images whose repository and programs are hostile: what they hold is data, on both backends (SAFETY 21, 22)."""

import io
import os
import secrets
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from environments import RepositoryError, verify_sealed
from environments.building import Builder, BuildFailed
from environments.instance import Instance
from sandbox import Images, open_backend, probe_docker, probe_overlay

sys.path.insert(0, str(Path(__file__).parent))
from checkout_image import checkout_image

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("builds")]
SECRET = "the other repository's secret"


@pytest.fixture(params=["docker", pytest.param("overlay", marks=pytest.mark.overlay)])
async def backend(request, tmp_path):
    if not probe_docker().works:
        pytest.skip("no Docker engine answers")
    if request.param == "overlay" and not (await probe_overlay()).works:
        pytest.skip("no overlay sandbox here")
    made = open_backend(request.param, f"images-{secrets.token_hex(4)}", tmp_path / "state")
    yield made
    await made.close()


def archive(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, more in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o755
            content = more.encode() if kind == tarfile.REGTYPE else b""
            member.linkname = "" if kind == tarfile.REGTYPE else more
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def links(git_dir, victim, other):
    """Every folder and file of a repository as a link to something of the host."""
    for name in ("info", "hooks", "logs"):
        shutil.rmtree(git_dir / name, ignore_errors=True)
        (git_dir / name).symlink_to(victim)
    (git_dir / "packed-refs").symlink_to(other / ".git/packed-refs")
    (git_dir / "refs/heads/other").symlink_to(other / ".git/refs/heads/trunk")
    (git_dir / "objects/ff").mkdir(exist_ok=True)
    (git_dir / "objects/ff/leads").symlink_to(victim)


def another_repository(git_dir, victim, other):
    (git_dir / "commondir").write_text(f"{other}/.git\n")
    (git_dir / "objects/info/alternates").write_text(f"{other}/.git/objects\n")
    (git_dir / "refs/heads/other").write_text((other / ".git/refs/heads/trunk").read_text())


def pipes(git_dir, victim, other):
    for name in ("description", "shallow", "packed-refs", "refs/heads/pipe", "objects/info/alternates"):
        (git_dir / name).unlink(missing_ok=True)
        os.mkfifo(git_dir / name)


def settings(git_dir, victim, other):
    with open(git_dir / "config", "a") as file:
        file.write(
            f"[core]\n\tfsmonitor = touch {victim}/ran\n[log]\n\tshowSignature = true\n"
            f"[gpg]\n\tprogram = touch {victim}/ran\n[include]\n\tpath = {victim}/config\n"
        )


def programs(victim):
    """A tar of the image that sends what it likes: names that lead out, links as parents, a repository's settings."""
    lines = [
        ("HEAD", tarfile.REGTYPE, "ref: refs/heads/trunk\n"),
        ("refs", tarfile.SYMTYPE, str(victim)),
        ("refs/heads/trunk", tarfile.REGTYPE, "0" * 40),
        (f"{victim}/absolute", tarfile.REGTYPE, "evil"),
        ("../../outside", tarfile.REGTYPE, "evil"),
        ("config", tarfile.REGTYPE, f"[core]\n\tfsmonitor = touch {victim}/ran\n"),
    ]
    pairs = [lines[:1] + [line] for line in lines[3:]] + [lines[:3], lines]
    return {f"tar {number}": {"/evil": archive(*pair)} for number, pair in enumerate(pairs)}


KINDS = [links, another_repository, pipes, settings]


@pytest.mark.parametrize(
    "kind", [*KINDS, *programs(Path("/x"))], ids=lambda kind: getattr(kind, "__name__", kind)
)
async def test_a_hostile_image_reads_and_writes_nothing_of_the_host(
    backend, new_repo, tmp_path, monkeypatch, kind
):
    victim = tmp_path / "victim"
    victim.mkdir()
    other = new_repo({"secret.txt": SECRET}, "other")
    other.git("pack-refs", "--all")
    (other.folder / ".git/refs/heads/trunk").write_text(other.git("rev-parse", "HEAD") + "\n")
    repo = new_repo({"pkg/__init__.py": "old = 1\n", "setup.py": "", "tests/test_a.py": ""}, "pkg")
    base = repo.git("rev-parse", "HEAD")
    files = {}
    if isinstance(kind, str):
        files = {**programs(victim)[kind], "/bin/tar": b"#!/bin/sh\ncat /evil\n"}
    else:
        kind(repo.folder / ".git", victim, other.folder)
    with (
        checkout_image(repo.folder, files, monkeypatch) as name,
        Images("test", tmp_path / "state") as images,
    ):
        layers = tmp_path / "layers"
        builder = Builder(backend, layers, repos=tmp_path / "none", images=images)
        (tmp_path / "none").mkdir()
        try:
            task = await builder.task(Instance("row-1", "an issue", "own/pkg", base, image=name))
        except (BuildFailed, RepositoryError) as error:
            assert "Traceback" not in str(error)
        else:
            verify_sealed(task.snapshot.tree, base)
            assert task.snapshot.read("pkg/__init__.py") == "old = 1\n"
    assert os.listdir(victim) == [] and not (tmp_path / "outside").exists()
    for folder, _, names in os.walk(layers):
        assert "outside" not in names and "absolute" not in names
        assert not any(
            SECRET in (Path(folder) / one).read_text("latin-1") for one in names if plain(folder, one)
        )


def plain(folder, name):
    path = Path(folder) / name
    return path.is_file() and not path.is_symlink()
