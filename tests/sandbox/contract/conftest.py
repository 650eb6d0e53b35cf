"""The contract: what every backend must do, run against each of them on the real kernel and the real engine."""

import secrets
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from waiting import PATIENCE

from sandbox import HostRoot, Limits, Place, World, open_backend

HOME = "/home/someone/project"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("overlay", marks=pytest.mark.overlay),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(kind, state):
    backend = open_backend(kind, f"contract-{secrets.token_hex(4)}", state)
    yield backend
    await backend.close()
    left = [path.name for path in state.iterdir() if path.name != ".images"]  # the record of images stays
    assert left == [], "a closed backend left layers behind"


def make_source(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("from the host\n")
    (folder / "sub/deep").write_text("deep\n")
    (folder / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def world_of(source: Path) -> World:
    return World(
        root=HostRoot(extra=(sys.base_prefix,)),
        places=(Place(source, HOME),),
        workdir=HOME,
        env={"FROM_WORLD": "yes"},
    )


@pytest.fixture
def source(tmp_path) -> Path:
    """The folder of the host that is placed in the sandbox."""
    return make_source(tmp_path / "source")


@pytest.fixture
def world(source) -> World:
    return world_of(source)


@pytest.fixture(scope="module")
def limits() -> Limits:
    return Limits(memory=1 << 30, timeout=PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(backend, limits, tmp_path_factory):
    """One sandbox for all tests of a module that leave it usable: starting one costs an engine its time."""
    world = world_of(make_source(tmp_path_factory.mktemp("shared") / "source"))
    sandbox = await backend.start(world, name="shared", limits=limits)
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox(backend, world, limits):
    sandbox = await backend.start(world, name="contract", limits=limits)
    yield sandbox
    await sandbox.close()


@pytest.fixture
def python() -> str:
    return f"{sys.base_prefix}/bin/python3"
