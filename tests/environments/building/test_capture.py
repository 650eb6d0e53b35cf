"""Files out of a sandbox whose programs lie: archives as somebody else's `tar` makes them (SAFETY 21, 22)."""

import contextlib
import io
import os
import shutil
import tarfile

import pytest

from environments import freeze, verify_sealed
from environments.building import capture as capturing
from environments.building.bench import AT, ENV, Bench
from environments.building.capture import capture
from environments.building.failures import StepFailed
from environments.building.index import Index
from environments.building.keeping import keep_environment, keep_repository, mark_start
from environments.building.network import HostNetwork
from sandbox import Limits, Place, World, open_backend

pytestmark = pytest.mark.overlay
SECRET = "the host's own"


@contextlib.contextmanager
def refused(words):
    """An archive is not unpacked, for this reason."""
    with pytest.raises(StepFailed) as caught:
        yield
    assert words in "\n".join(caught.value.lines)


@pytest.fixture
async def backend(tmp_path):
    backend = open_backend("overlay", "capture", tmp_path / "state")
    yield backend
    await backend.close()


@pytest.fixture
def outside(tmp_path):
    """A folder of the host that an archive leads to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "key").write_text(SECRET)
    return folder


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def archive(*members):
    """(name, what it is: bytes, or the target of a link) of each member, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, str(content)
                tar.addfile(member)
    return buffer.getvalue()


def programs(folder, *, tar):
    """A folder of programs for /usr/bin, with another `tar`."""
    folder.mkdir()
    for name in ("sh", "cat", "rm", "split", "ls", "find", "touch", "sleep"):
        shutil.copy(os.path.realpath(shutil.which(name)), folder / name)
    (folder / "tar").write_text(tar)
    (folder / "tar").chmod(0o755)
    return folder


async def captured(backend, tmp_path, content, into, only=None):
    """What comes of a sandbox in which `tar` prints this."""
    tools = programs(tmp_path / "tools", tar="#!/bin/sh\nexec cat /srv/built/archive\n")
    built = tmp_path / "built"
    built.mkdir()
    (built / "archive").write_bytes(content)
    places = (Place(tools, "/usr/bin"), Place(built, "/srv/built"))
    sandbox = await backend.start(World(places=places), name="lies", limits=Limits())
    await capture(sandbox, "/srv/built", into, only=only)


async def test_nothing_is_written_through_a_link(backend, tmp_path, into, outside):
    content = archive(("./good", b"1"), ("./way", outside), ("./way/planted", b"evil"))
    with refused("no folder"):
        await captured(backend, tmp_path, content, into)
    assert os.listdir(outside) == ["key"]


async def test_nothing_comes_that_nobody_asked_for(backend, tmp_path, into):
    content = archive(("./built.so", b"1"), ("./conftest.py", b"evil"))
    with refused("nobody asked for"):
        await captured(backend, tmp_path, content, into, only=["built.so"])
    assert os.listdir(into) == ["built.so"]


@pytest.mark.parametrize("most", [{"_MOST_MEMBERS": 10}, {"_MOST_BYTES": 1000}])
async def test_an_archive_is_bounded(backend, tmp_path, into, monkeypatch, most):
    for name, value in most.items():
        monkeypatch.setattr(capturing, name, value)
    content = archive(*((f"./{number}", b"x" * 100) for number in range(50)))
    with refused("more than"):
        await captured(backend, tmp_path, content, into)
    assert len(os.listdir(into)) <= 10


async def test_what_a_build_installed_first_does_not_pack(backend, tmp_path, into, outside):
    """A `tar` that is found before the system's own."""
    tools = programs(tmp_path / "tools", tar="#!/bin/sh\nexec cat /srv/built/archive\n")
    built = tmp_path / "built"
    built.mkdir()
    (built / "archive").write_bytes(archive(("./planted", b"evil")))
    (built / "honest").write_text("1")
    places = (Place(tools, "/opt/first"), Place(built, "/srv/built"))
    env = {"PATH": "/opt/first:/usr/bin:/bin"}
    sandbox = await backend.start(World(places=places, env=env), name="first", limits=Limits())
    await capture(sandbox, "/srv/built", into)
    assert sorted(os.listdir(into)) == ["archive", "honest"]


async def test_what_the_repository_tracks_stays_as_it_was_frozen(backend, new_repo, tmp_path, outside):
    files = {
        "pkg/a.py": "old\n",
        "tests/t.py": "old\n",
        "data": outside,
        "notes/n": "old\n",
        ".gitignore": "*.so\n",
    }
    shot = freeze(new_repo(files).folder, tmp_path / "frozen", at=AT)
    sandbox = await backend.start(World(places=(Place(shot.tree, AT),)), name="built", limits=Limits())
    bench = Bench(sandbox, None, HostNetwork(Index()))
    await mark_start(bench)
    deeds = f"""cd {AT}
    echo evil >pkg/a.py; echo new >pkg/fast.so; mkdir -p inner/.git INNER/.GIT
    rm data; mkdir data; echo evil >data/planted
    rm -r notes; ln -s {outside} notes
    echo evil >inner/.git/config; echo evil >INNER/.GIT/config; mkdir -p .git/hooks
    printf '[core]\\n\\tfsmonitor = touch /tmp/ran\\n' >>.git/config; echo evil >.git/hooks/post-checkout"""
    assert (await sandbox.run(deeds)).exit_code == 0
    kept = tmp_path / "kept"
    await keep_repository(bench, shot.tree, kept)
    assert (kept / "pkg/a.py").read_text() == (kept / "notes/n").read_text() == "old\n"
    assert (kept / "pkg/fast.so").read_text() == "new\n"
    assert os.readlink(kept / "data") == str(outside) and os.listdir(outside) == ["key"]
    assert not [
        name for path in kept.rglob("*") if (name := path.name).lower() == ".git" and path.parent != kept
    ]
    assert (kept / ".git/config").read_text() == (shot.tree / ".git/config").read_text()
    verify_sealed(kept, shot.base)


async def test_names_of_a_build_are_no_names_of_the_host(backend, tmp_path, outside):
    """A list cut at its lines would name a file of the host, which was removed as one that the build removed."""
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    (base / "bin/tool").write_text("1")
    (base / "gone").write_text("1")
    sandbox = await backend.start(World(places=(Place(base, ENV),)), name="env", limits=Limits())
    bench = Bench(sandbox, None, HostNetwork(Index()))
    await mark_start(bench)
    trap = f"x\n{outside}/key"
    deeds = f"cd {ENV}; rm gone; mkdir -p '{os.path.dirname(trap)}'; echo 2 >'{trap}'; ln -s {outside} way; echo 3 >new"
    assert (await sandbox.run(deeds)).exit_code == 0
    kept = tmp_path / "kept"
    await keep_environment(bench, base, kept)
    assert (outside / "key").read_text() == SECRET
    assert (kept / trap).read_text() == "2\n" and (kept / "new").read_text() == "3\n"
    assert not (kept / "gone").exists() and (kept / "bin/tool").read_text() == "1"
    assert (kept / "way").is_symlink()
