"""What hardens a container, as the engine tells it and as a command inside meets it."""

import asyncio
import os
import secrets
import socket

import pytest
import pytest_asyncio
from waiting import PATIENCE, wait_until_async

from sandbox import Limits, SandboxDied, World
from sandbox.docker_engine import DockerBackend
from sandbox.docker_skeleton import bare_image
from sandbox.protocol import CannotStart, Image, RootFs

pytestmark = [
    pytest.mark.docker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("hardening"),
]
SMALL = Limits(
    memory=128 << 20, processes=48, cpus=0.5, files=128, disk=1 << 20, timeout=PATIENCE, output=100_000
)


@pytest.fixture(scope="module")
def world(docker_rootfs):
    return World(RootFs(docker_rootfs), workdir="/tmp")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(docker_engine):
    backend = DockerBackend(f"hard{secrets.token_hex(4)}")
    yield backend
    await backend.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box(backend, world):
    """One sandbox for all attacks: that it still works for the next one is part of the test."""
    return await backend.start(world, name="hard", limits=SMALL)


async def test_as_the_engine_tells_it(box, backend, docker_engine):
    told = docker_engine.api.inspect_container(box.container)
    host, config = told["HostConfig"], told["Config"]
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
    assert host["NetworkMode"] == "none" and "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] == host["MemorySwap"] == SMALL.memory
    assert host["PidsLimit"] == SMALL.processes and host["NanoCpus"] == 500_000_000
    assert host["AutoRemove"] and not host["Init"] and host["LogConfig"]["Type"] == "none"
    assert host["IpcMode"] == "private" and not host["PidMode"] and not host["Binds"]
    assert not config["OpenStdin"] and not config["AttachStdout"] and not config["Tty"]
    assert config["Labels"]["winnow.run"] == backend.run
    assert config["Labels"]["winnow.owner"].startswith(f"{os.getpid()}@")


async def test_no_capabilities_no_new_privileges_and_a_filter_of_system_calls(box):
    status = (await box.run("cat /proc/self/status")).output
    rows = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {rows[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert rows["NoNewPrivs"] == "1" and rows["Seccomp"] == "2"
    assert (await box.run("mount -t tmpfs none /tmp")).exit_code != 0
    assert (await box.run("echo 1 >/proc/sys/kernel/panic")).exit_code != 0
    assert (
        await box.run("echo 1 >/sys/fs/cgroup/memory/tasks || echo 1 >/sys/fs/cgroup/cgroup.procs")
    ).exit_code != 0


async def test_no_network_not_even_the_hosts_loopback(box):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        seen = await box.run(
            f"bash -c 'echo x >/dev/tcp/127.0.0.1/{server.getsockname()[1]}'; cat /proc/net/dev"
        )
    assert "refused" in seen.output
    assert [line.split(":")[0].strip() for line in seen.output.splitlines() if ":" in line][-1] == "lo"


async def test_the_hosts_network_only_when_the_world_says_so(backend, docker_rootfs):
    world = World(RootFs(docker_rootfs), network="host")
    box = await backend.start(world, name="open", limits=SMALL)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert (await box.run(f"bash -c 'echo x >/dev/tcp/127.0.0.1/{port}'")).exit_code == 0


async def test_a_fork_bomb_stays_inside_and_the_sandbox_lives(box, backend, world, marked):
    neighbour = await backend.start(world, name="neighbour", limits=SMALL)
    bomb = f"{marked.sleep} & b() {{ b | b & }}; b & while :; do :; done"
    bombing = asyncio.create_task(box.run(bomb, timeout=3))
    await wait_until_async(lambda: marked.alive() or bombing.done(), "the bomb is lit")
    assert (await neighbour.run("echo fine")).output == "fine\n"
    ended = await bombing
    assert ended.ended == "timeout" and ended.exit_code == 124
    after = await box.run("ps -e -o comm | wc -l; ulimit -c")
    assert int(after.output.split()[0]) < 12


async def test_more_processes_than_allowed_are_refused(backend, world):
    crowded = await backend.start(world, name="crowded", limits=SMALL)
    seen = await crowded.run("for i in $(seq 100); do sleep 1000 & done")
    assert "fork" in seen.output.lower() or "resource" in seen.output.lower(), seen.output
    await crowded.close()


async def test_too_much_memory_is_the_commands_end_not_the_neighbours(box):
    greedy = await box.run("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done")
    assert greedy.exit_code not in (0, 124)
    assert (await box.run("echo alive")).output == "alive\n"


async def test_a_sandbox_whose_shell_is_out_of_memory_died_of_it(backend, world, monkeypatch):
    monkeypatch.setattr("sandbox.docker_engine.DEATH_NEWS", PATIENCE)
    tight = Limits(memory=16 << 20, processes=48, timeout=PATIENCE)
    box = await backend.start(world, name="tight", limits=tight)
    # What lies in /dev/shm is memory that no kill of a command gives back: in the end the channel's shell must go.
    with pytest.raises(SandboxDied, match="ran out of memory"):
        for _ in range(20):
            await box.run("head -c 60000000 /dev/zero >/dev/shm/f$$")


async def test_limits_on_files_and_file_size(box):
    assert (await box.run("ulimit -n; ulimit -c")).output == "128\n0\n"
    # Holes take no disk, so that the watch has nothing to find, however slow the machine is.
    write = "dd if=/dev/zero of=/tmp/big bs=64k count=1 conv=notrunc seek="
    assert (await box.run(f"{write}15")).exit_code == 0
    assert (await box.run(f"{write}16")).exit_code != 0
    assert str(SMALL.disk) in (await box.run("wc -c </tmp/big")).output.split()


async def test_a_flood_of_output_is_cut_and_never_on_the_engines_disk(box, docker_engine):
    flood = await box.run("head -c 10000000 /dev/zero | cat -v")
    assert flood.cut > 0 and len(flood.output) < 2 * SMALL.output
    assert not docker_engine.api.inspect_container(box.container)["LogPath"]
    assert (await box.run("echo fine")).output == "fine\n"


async def test_an_image_without_a_shell_is_a_sentence(backend, docker_engine):
    image = bare_image(docker_engine, backend.run)
    with pytest.raises(CannotStart, match="no /bin/sh"):
        await backend.start(World(Image(image)), name="bare", limits=SMALL)


async def test_what_cannot_be_given_is_named(backend):
    said = await backend.lacks()
    assert any("shifted user ids" in line for line in said) and any("disk" in line for line in said)
