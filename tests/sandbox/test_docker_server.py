"""The exec server in containers: in whatever image, under its limits, and what becomes of it where it cannot be."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from waiting import PATIENCE, wait_until_async

from environments.building import IndexNetwork
from environments.building.index import read_index
from sandbox import CannotStart, Dockerfile, HostRoot, Limits, NoPorts, World, docker_lines
from sandbox.docker_bundle import NoBundle, bundle
from sandbox.docker_engine import DockerBackend
from sandbox.exec_channel import ExecChannel
from sandbox.images import import_rootfs
from sandbox.protocol import RootFs
from sandbox.shell_channel import ShellChannel

pytestmark = pytest.mark.docker
SMALL = Limits(memory=128 << 20, processes=32, timeout=PATIENCE)


@pytest.fixture
def base_image(docker_engine, docker_rootfs, run_name):
    docker_engine.api.tag(import_rootfs(docker_engine, docker_rootfs), "winnow-base", run_name)
    yield f"winnow-base:{run_name}"
    docker_engine.api.remove_image(f"winnow-base:{run_name}", noprune=True)


async def test_what_an_image_sets_is_for_commands_not_for_the_server(docker_backend, base_image, tmp_path):
    hostile = "LD_PRELOAD=/x.so LD_LIBRARY_PATH=/bin PYTHONHOME=/x PYTHONPATH=/x GLIBC_TUNABLES=x ODD.NAME=1 MADE=yes"
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nENV {hostile}\nUSER app\n")
    world = World(Dockerfile(tmp_path / "Dockerfile", tmp_path, network="none"), env={"MINE": "too"})
    box = await docker_backend.start(world, name="env", limits=SMALL)
    assert isinstance(box._channel, ExecChannel)
    seen = await box.run("unset LD_PRELOAD LD_LIBRARY_PATH GLIBC_TUNABLES; env; id -u", env={"CALL": "1"})
    said = seen.output.splitlines()
    assert {"MADE=yes", "PYTHONHOME=/x", "MINE=too", "CALL=1", "HOME=/tmp/home", "PWD=/"} <= set(said)
    assert said[-1] == "1234" and not any(line.startswith(("HOSTNAME", "ODD")) for line in said)
    assert (await box.run("echo $LD_PRELOAD 2>&1")).output.endswith("/x.so\n")


@pytest.mark.parametrize("user", ["root", "app"])
async def test_the_server_cannot_be_looked_into(docker_backend, base_image, tmp_path, user):
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nUSER {user}\n")
    world = World(Dockerfile(tmp_path / "Dockerfile", tmp_path, network="none"))
    box = await docker_backend.start(world, name="look", limits=SMALL)
    tries = (
        "cat /proc/1/environ; cat /proc/1/maps; head -c 1 /proc/1/mem; cat /proc/1/root/etc/passwd; cat /proc/1/fd/3; "
        "cat /dev/.winnow/loader; touch /dev/.winnow/x; touch /dev/.winnow-line/x; ls -A /dev/.winnow-line"
    )
    for attempt in tries.split("; "):
        seen = await box.run(attempt)
        assert "denied" in seen.output or "touch" in attempt or seen.output == "", attempt


FILLER = """import os, signal, time
while True:
    try:
        if not os.fork():
            signal.pause()
    except BlockingIOError:
        time.sleep(0.001)
"""


async def test_processes_left_behind_make_room(docker_backend, docker_engine):
    world = World(HostRoot(extra=(sys.base_prefix,)))
    box = await docker_backend.start(world, name="crowd", limits=SMALL)
    await box.write("/tmp/filler", FILLER.encode())
    await box.run(f"{sys.base_prefix}/bin/python3 /tmp/filler &")
    await wait_until_async(
        lambda: len(docker_engine.api.top(box.container)["Processes"]) == SMALL.processes, "it is full"
    )
    seen = await box.run("echo here")
    assert seen.output.startswith("[every process left behind") and seen.output.endswith("here\n")
    assert (await box.run("echo again; ls /tmp/filler")).output == "again\n/tmp/filler\n"


async def test_a_command_that_memory_ended_says_so(docker_backend, docker_rootfs):
    box = await docker_backend.start(World(RootFs(docker_rootfs)), name="memory", limits=SMALL)
    greedy = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
    seen = await box.run(greedy)
    assert (seen.ended, seen.exit_code) == ("memory", 137)
    assert seen.output.endswith("of memory was used]\n")
    assert (await box.run("exit 9")).ended == "exited"
    assert (await box.run(f"sh -c '{greedy}' || true")).ended == "exited"
    assert (await box.run("exit 9")).ended == "exited", "blamed for what a command before it did"
    seen = await box.run(f"echo begun; sh -c '{greedy}'; echo $?; exit 3")
    assert (seen.ended, seen.exit_code) == ("memory", 3) and seen.output.startswith("begun\n")
    assert (await box.run("kill -9 $$")).ended == "exited"


async def test_a_long_way_to_the_socket(docker_backend, docker_rootfs, monkeypatch):
    deep = Path(tempfile.gettempdir()) / f"winnow-deep-{os.getpid()}" / "/".join(["d" * 60] * 3)
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    try:
        box = await docker_backend.start(World(RootFs(docker_rootfs)), name="deep", limits=SMALL)
        assert isinstance(box._channel, ExecChannel) and (await box.run("echo hi")).output == "hi\n"
        assert [path.name[:7] for path in (deep / f"winnow.{os.geteuid()}").iterdir()] == ["python-"]
    finally:
        shutil.rmtree(deep.parents[2])


def _no_bundle(at):
    raise NoBundle("it is a test")


def _no_program(at):
    made = bundle(at)
    (made.folder / "loader").chmod(0o644)
    return made


def _no_server(at):
    made = bundle(at)
    (made.folder / "sandbox/inside/contained.pyc").write_bytes(b"broken")
    return made


@pytest.mark.parametrize("broken", [_no_bundle, _no_program, _no_server])
async def test_without_a_server_there_is_a_shell_and_it_is_said(
    docker_engine, docker_rootfs, run_name, monkeypatch, tmp_path, broken
):
    monkeypatch.setattr(docker_lines, "our_folder", lambda: tmp_path)
    monkeypatch.setattr(docker_lines, "bundle", broken)
    said = []
    backend = DockerBackend(run_name, said.append)
    try:
        box = await backend.start(World(RootFs(docker_rootfs)), name="shell", limits=SMALL)
        assert isinstance(box._channel, ShellChannel) and any("shell" in line for line in said)
        assert (await box.run("echo $HOME $$ >/dev/null; echo fine; exit 4")).exit_code == 4
        copy = await box.copy("copy")
        assert (await copy.run("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done")).ended in ("memory", "exited")
        assert any("forge" in line for line in await backend.lacks())
    finally:
        await backend.close()
    other = DockerBackend(f"{run_name}-other")
    try:
        assert any("forge" in line for line in await other.lacks()), "it is found out by trying"
    finally:
        await other.close()


async def test_with_a_server_nothing_is_said(docker_backend):
    assert not any("forge" in line for line in await docker_backend.lacks())


async def test_an_engine_elsewhere_gives_a_shell(docker_backend, docker_rootfs, monkeypatch):
    engine = await docker_backend.engine()
    monkeypatch.setitem(engine.info, "Name", "some-other-machine")
    box = await docker_backend.start(World(RootFs(docker_rootfs)), name="x", limits=SMALL)
    assert isinstance(box._channel, ShellChannel) and (await box.run("echo hi")).output == "hi\n"
    greedy = await box.run("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done")
    assert greedy.exit_code == 137 and greedy.ended == "memory"
    assert (await box.run("kill -9 $$")).ended == "exited"
    assert any("another machine" in line for line in await docker_backend.lacks())


async def test_a_shell_forwards_no_port_and_opens_nothing_instead(
    docker_backend, docker_rootfs, monkeypatch, tmp_path
):
    """A build is told what to do; a set-up, which may need no network, runs without one."""
    engine = await docker_backend.engine()
    monkeypatch.setitem(engine.info, "Name", "some-other-machine")
    box = await docker_backend.start(World(RootFs(docker_rootfs)), name="x", limits=SMALL)
    with pytest.raises(NoPorts, match="no exec server .the engine runs on another machine.*overlay"):
        await box.forward({61001: None})
    with pytest.raises(CannotStart, match="--build-network host"):
        await IndexNetwork(read_index({})).attach(box)
    assert (await box.run("cat /proc/net/dev")).output.count(":") == 1
