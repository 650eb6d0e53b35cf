"""Fixtures of the docker tests: the real engine, a small root file system, and a look at what is left.

And for all tests of sandboxes: processes that can be told from everybody else's.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until_async

sys.path.insert(0, str(Path(__file__).parent))  # helpers lie beside the tests and are imported by name

PROGRAMS = "sh bash cat head wc mkdir chmod rm env true sleep id ls ps stat mount dd touch seq ln"


@pytest.fixture(scope="session")
def docker_rootfs(tmp_path_factory) -> Path:
    """A root file system of a dozen of this machine's programs with their libraries: no registry is needed."""
    root = tmp_path_factory.mktemp("rootfs")
    for folder in ("bin", "etc", "tmp", "usr/bin", "proc", "sys", "dev", "testbed/.git"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:1235:\nother:x:77:\n")
    (root / "testbed/.git/HEAD").write_text("the image's own history")
    (root / "testbed/code.py").write_text("old")
    (root / "testbed/built.so").write_text("built")
    for program in PROGRAMS.split():
        found = shutil.which(program)
        shutil.copy2(os.path.realpath(found), root / "bin" / program)
        told = subprocess.run(["ldd", found], capture_output=True, text=True).stdout
        for library in (word for word in told.split() if word.startswith("/")):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(library), root / library[1:])
    return root


@pytest.fixture(scope="session")
def docker_engine():
    """The engine. What these tests imported and built goes at the end, and nobody else's."""
    from sandbox.docker_client import connect
    from sandbox.docker_leftovers import leave_nothing
    from sandbox.image_facts import CACHE_RUN

    engine = connect()
    yield engine
    leave_nothing(engine, CACHE_RUN)
    engine.close()


class Marked:
    """Processes of the whole machine that can be told by a word in their command line."""

    def __init__(self) -> None:
        self.word = f"9{secrets.randbelow(10**9):09d}"

    @property
    def sleep(self) -> str:
        """A command that sleeps for ages and can be found."""
        return f"sleep {self.word}"

    def alive(self) -> list[int]:
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0") if entry.isdigit() else []
                if self.word.encode() in words:
                    found.append(int(entry))
        return found

    async def there(self, count: int = 1) -> None:
        """Wait until so many of them run."""
        await wait_until_async(lambda: len(self.alive()) >= count, f"{count} of the marked processes run")

    async def gone(self) -> None:
        """Wait until none is left."""
        await wait_until_async(lambda: not self.alive(), "the marked processes are gone")


@pytest.fixture
def marked() -> Marked:
    return Marked()


@pytest.fixture
def run_name() -> str:
    return f"test{secrets.token_hex(4)}"


@pytest.fixture
async def docker_backend(docker_engine, run_name):
    """A backend of its own run; what the run left when it was closed is a failure."""
    from sandbox.docker_engine import DockerBackend

    backend = DockerBackend(run_name)
    yield backend
    await backend.close()
    ours = {"label": [f"winnow.run={run_name}"]}
    assert docker_engine.api.containers(all=True, filters=ours) == []
    assert docker_engine.api.images(filters=ours) == []


@pytest.fixture
def docker_world(docker_rootfs, tmp_path):
    """A world on the small root file system with one place at /srv/repo."""
    from sandbox.protocol import Place, RootFs, World

    source = tmp_path / "repo"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_text("from the host")
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o755)
    (source / "link").symlink_to("deep/file")
    (source / "out").symlink_to("/etc/passwd")
    return World(root=RootFs(docker_rootfs), places=(Place(source, "/srv/repo"),), workdir="/srv/repo")
