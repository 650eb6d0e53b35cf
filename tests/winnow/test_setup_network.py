"""A set-up script reaches the package index and nothing else; what it made is there, and its ways out are gone."""

import os
import secrets
import socket
import sys

import pytest
from private_index import PASSWORD, PrivateIndex, wheel

from environments import Recipe, SetupFailed, Task, freeze
from sandbox import HostRoot, Limits, open_backend
from winnow.base import Base

PYTHON = f"{sys.base_prefix}/bin/python3"
INSTALL = f"{PYTHON} -m pip install -q --no-cache-dir --target /testbed/made twice"
REACH = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); print('reached')"


@pytest.fixture(
    params=[
        pytest.param("overlay", marks=pytest.mark.overlay),
        pytest.param("docker", marks=pytest.mark.docker),
    ]
)
async def backend(request, tmp_path):
    backend = open_backend(request.param, f"setup-{secrets.token_hex(4)}", tmp_path / "state")
    yield backend
    await backend.close()


@pytest.fixture
def index(monkeypatch):
    for name in [one for one in os.environ if one.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with PrivateIndex({"twice": [wheel("twice")]}) as one:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", one.url)
        yield one


@pytest.fixture
def base(backend, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("x")
    snapshot = freeze(tmp_path / "source", tmp_path / "frozen", at="/testbed")

    def make(setup, **more):
        recipe = Recipe(root=HostRoot((sys.base_prefix,)), setup=setup, **more)
        return Base(backend, Task("x", "x is wrong", snapshot, recipe), Limits(), lambda note: None)

    return make


async def test_a_set_up_installs_from_the_index_and_reaches_nothing_else(base, index):
    port = index.index.server_port
    checks = f'! {PYTHON} -c "{REACH}" {port} && ! env | grep -q {PASSWORD[:-1]}[{PASSWORD[-1]}]'
    base = base(f"{checks} && {INSTALL}")
    copy = await base.copy("copy")
    try:
        assert "twice.py" in (await copy.run("ls made")).output
        for gone in (port, 61001):
            assert "reached" not in (await copy.run(f'{PYTHON} -c "{REACH}" {gone}')).output
    finally:
        await copy.close()
        await base.close()


async def test_what_it_misses_is_named(base, index):
    base = base("git clone -q https://git.example.org/a/b.git")
    with pytest.raises(SetupFailed, match=r'hosts = \["git.example.org"\]'):
        await base.copy("copy")


async def test_the_hosts_network_is_an_explicit_choice(base, index):
    base = base(f'{PYTHON} -c "{REACH}" {index.index.server_port}', build_network="host")
    copy = await base.copy("copy")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said = await copy.run(f'{PYTHON} -c "{REACH}" {listening.getsockname()[1]}')
    assert "reached" not in said.output
    await copy.close()
    await base.close()
