"""What is said where Docker does not work, how set-up behaves, and what becomes of sandboxes when the engine goes."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from programs import program_path
from waiting import PATIENCE, wait_until

from sandbox import HostRoot, Limits, Place, SandboxDied, World, probe_docker
from sandbox.docker_client import connect
from sandbox.docker_engine import DockerBackend
from sandbox.docker_skeleton import around
from sandbox.owner import lives, owner_label
from sandbox.protocol import CannotStart, RootFs

REPOSITORY = Path(__file__).parents[2]
SMALL = Limits(memory=256 << 20, processes=64, timeout=PATIENCE)
docker = pytest.mark.docker


@docker
def test_the_probe_starts_a_container_and_leaves_nothing(docker_engine):
    found = probe_docker()
    assert found.works and found.name == "docker" and docker_engine.info["ServerVersion"] in found.why
    mine = {"label": [f"winnow.run=probe-{os.getpid()}"]}
    assert docker_engine.api.containers(all=True, filters=mine) == []
    assert docker_engine.api.images(filters=mine) == []


def test_a_remote_engine_that_does_not_answer(monkeypatch):
    with socket.socket() as held:  # bound, not listening: nobody else can take the port
        held.bind(("127.0.0.1", 0))
        where = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_HOST", where)
        found = probe_docker()
    assert not found.works and where in found.why and "DOCKER_HOST" in found.cure


def test_no_socket_means_installed_or_not(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert "not running" in probe_docker().why
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = probe_docker()
    assert "not installed" in found.why and "setup-debian.sh" in found.cure


AS_NOBODY = """
import sys
sys.path.insert(0, {repository!r})
import docker, requests, docker.transport
from sandbox import docker_client, docker_container, docker_layers, docker_leftovers, docker_probe, docker_skeleton
import os
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
found = docker_probe.probe_docker()
print(found.works, found.cure)
"""


def test_no_permission_names_the_group():
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody without rights")
    folder = Path(f"/tmp/winnow-closed-{os.getpid()}")
    folder.mkdir(mode=0o755)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "d.sock"))
            server.listen()
            (folder / "d.sock").chmod(0o600)
            env = {**os.environ, "DOCKER_HOST": f"unix://{folder}/d.sock", "HOME": "/nonexistent"}
            code = AS_NOBODY.format(repository=str(REPOSITORY))
            seen = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
    assert seen.stdout.startswith("False run `sudo usermod -aG docker"), seen.stdout + seen.stderr


@docker
async def test_another_machines_engine_is_asked_for_an_image(docker_backend, monkeypatch):
    engine = await docker_backend.engine()
    monkeypatch.setitem(engine.info, "Name", "some-other-machine")
    with pytest.raises(CannotStart, match="--image"):
        await docker_backend.start(World(HostRoot()), name="x", limits=SMALL)


def test_binds_make_room_for_a_place(tmp_path):
    for folder in ("a/b/c", "a/d", "e"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a/f").write_text("")
    (tmp_path / "a/l").symlink_to("d")
    top = str(tmp_path)
    binds, links = around([(top, "/top"), ("/x", "/x")], ("/top/a/b", "/x"))
    assert binds == [(f"{top}/a/d", "/top/a/d"), (f"{top}/a/f", "/top/a/f"), (f"{top}/e", "/top/e")]
    assert links == [("d", "/top/a/l")]


def test_an_owner_is_told_from_another_process_of_its_number():
    assert lives(owner_label()) is True
    mine = owner_label()
    assert lives(mine[:-1] + ("0" if mine[-1] != "0" else "1")) is False
    assert (
        lives(mine.replace("@", "@another-boot")) is None and lives("") is None and lives("elsewhere") is None
    )
    child = subprocess.Popen(["sleep", "1000"])
    label = owner_label(child.pid)
    assert lives(label) is True
    child.kill()
    wait_until(lambda: lives(label) is False, "a zombie counts as dead")
    child.wait()
    assert lives(label) is False


def test_set_up_is_quick_where_all_is_there_and_never_fails_its_caller(tmp_path):
    script = REPOSITORY / "docker/setup-debian.sh"
    # A machine with nothing but a shell: no apt, no engine.
    for program in ("sh", "uname", "id", "python3", "sleep"):
        (tmp_path / program).symlink_to(shutil.which(program))
    bare = {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none"}
    seen = subprocess.run(["/bin/sh", script], env=bare, cwd=tmp_path, capture_output=True, text=True)
    assert seen.returncode == 0 and "overlay sandboxes suffice" in seen.stdout
    # An apt that can install nothing.
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    seen = subprocess.run(["/bin/sh", script], env=bare, cwd=tmp_path, capture_output=True, text=True)
    assert seen.returncode == 0
    if os.geteuid() == 0:
        assert "could not be installed" in seen.stdout


@docker
@pytest.mark.overlay
def test_set_up_says_nothing_where_all_is_there():
    seen = subprocess.run(["/bin/sh", REPOSITORY / "docker/setup-debian.sh"], capture_output=True, text=True)
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")


@pytest.fixture
def own_engine(tmp_path, monkeypatch):
    """A second Docker engine that a test may kill. -> (start, kill)"""
    if os.geteuid() != 0 or not program_path("dockerd"):
        pytest.skip("starting a Docker engine takes root and dockerd")
    base = Path(f"/tmp/winnow-engine-{os.getpid()}")  # a socket's path may not be long
    base.mkdir()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{base}/d.sock")
    running = []

    def start():
        options = f"--data-root={base}/data --exec-root={base}/exec --pidfile={base}/pid --host=unix://{base}/d.sock"
        none = "--iptables=false --ip6tables=false --bridge=none --containerd-namespace=winnowtest"
        log = open(base / "log", "ab")
        with log:
            running.append(
                subprocess.Popen(["dockerd", *options.split(), *none.split()], stdout=log, stderr=log)
            )
        try:
            wait_until(lambda: answers(base / "d.sock"), "the engine answers")
        except AssertionError:
            print((base / "log").read_text()[-2000:])
            raise

    def stop():
        engine = running.pop()
        engine.send_signal(signal.SIGTERM)
        engine.wait(PATIENCE)

    yield start, stop
    if running:
        stop()
    wait_until(
        lambda: str(base) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout,
        "no process of the engine is left",
    )
    for line in Path("/proc/mounts").read_text().splitlines()[::-1]:
        if str(base) in line:
            subprocess.run(["umount", "-l", line.split()[1]])
    shutil.rmtree(base)


def answers(path):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"200" in s.recv(100)
    except OSError:
        return False


@docker
async def test_an_engine_that_is_restarted_is_a_death_and_a_new_start_works(
    own_engine, docker_rootfs, tmp_path, marked
):
    start, stop = own_engine
    await asyncio.to_thread(start)
    backend = DockerBackend("restart")
    (tmp_path / "repo").mkdir()
    world = World(RootFs(docker_rootfs), (Place(tmp_path / "repo", "/srv/work"),), "/srv/work")
    box = await backend.start(world, name="before", limits=SMALL)
    await box.run("echo >f")
    copy = await box.copy("copy")
    running = asyncio.create_task(copy.run(marked.sleep))
    await marked.there()
    await asyncio.to_thread(stop)
    with pytest.raises(SandboxDied):
        await running
    with pytest.raises(CannotStart, match="not running"):
        await backend.start(world, name="meanwhile", limits=SMALL)
    await asyncio.to_thread(start)
    with pytest.raises(SandboxDied):
        await copy.run("true")
    again = await backend.start(world, name="after", limits=SMALL)
    assert (await again.run("echo back")).output == "back\n"
    await backend.close()
    engine = connect()
    assert engine.api.containers(all=True) == []
    assert [i for i in engine.api.images() if "winnow-rootfs" not in str(i["RepoTags"])] == []
    engine.close()
