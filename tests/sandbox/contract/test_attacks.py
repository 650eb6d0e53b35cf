"""Attacks: each fails while its protection stands, and succeeds in a sandbox that was made without it.

Where the kernel or the engine cannot give a protection here, the backend must name that. The programs lie in
`attacks/`; they print SUCCEEDED when they did, and bound themselves, for the sandboxes in which nothing else does.
docs/safety.md has the table of what stands how on which backend.
"""

# ruff: noqa: ASYNC220, ASYNC240 (short looks at the machine from outside)

import asyncio
import contextlib
import dataclasses
import os
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio
from time_outs import cut_off
from waiting import PATIENCE, wait_until_async

from sandbox import DockerBackend, HostRoot, Limits, NotThere, OverlayBackend, Place, SandboxError, World

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("attacks"),
    pytest.mark.timeout(600),
]

MB = 1 << 20
SMALL = Limits(memory=64 * MB, processes=60, files=128, disk=20 * MB, output=100_000, timeout=PATIENCE)
ROOMY = dataclasses.replace(SMALL, memory=1 << 30)
WORLD = World(root=HostRoot(extra=(sys.base_prefix,)), workdir="/tmp")
PYTHON = f"{sys.base_prefix}/bin/python3"

NAMED = {
    "memory": "memory is limited for each process",
    "processes": "no limit on the number of processes",
    "cpus": "no limit on CPU",
    "ids": "shifted",
    "seccomp": "no system call filter",
    "io_uring": "no refusal of io_uring",
}
"""What a backend says of a protection that it cannot give."""


class Boxes:
    """Sandboxes of one kind, each made once for all the tests that want it as it is."""

    def __init__(self, kind, folder):
        self.kind, self._folder = kind, folder
        self.user = kind == "overlay" and os.geteuid() != 0
        self._backends, self._boxes = {}, {}

    def backend(self, *without):
        key = frozenset(without)
        if key not in self._backends:
            run = f"attack-{secrets.token_hex(4)}"
            if self.kind == "docker":
                made = DockerBackend(run, without=key)
            else:
                made = OverlayBackend(run, self._folder, without=key)
            self._backends[key] = made
        return self._backends[key]

    async def get(self, *without, limits=SMALL, world=WORLD):
        key = frozenset(without), limits, world.network
        if key not in self._boxes or world is not WORLD:
            box = await self.backend(*without).start(world, name="attack", limits=limits)
            if world is not WORLD:
                return box
            self._boxes[key] = box
        return self._boxes[key]

    async def fresh(self, *without, limits=SMALL):
        return await self.backend(*without).start(WORLD, name="attack", limits=limits)

    async def named(self, protection):
        """Whether the backend says that it cannot give this here."""
        words = NAMED.get(protection)
        return words is not None and any(words in line for line in await self.backend().lacks())

    async def held(self):
        """Whether the kernel holds a sandbox to its disk limit here."""
        return self.kind == "overlay" and not any(
            "disk space" in line for line in await self.backend().lacks()
        )

    async def close(self):
        for backend in self._backends.values():
            await backend.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def boxes(kind, state):
    boxes = Boxes(kind, state)
    yield boxes
    await boxes.close()


async def run(box, attack, *words, timeout=PATIENCE):
    # To a place that is the sandbox's own even where the host's root is open to it.
    program = f"/dev/shm/{attack}.py"
    await box.write(program, (Path(__file__).parent / f"attacks/{attack}.py").read_bytes())
    command = " ".join([f"exec {PYTHON} {program}", *(f"'{word}'" for word in words)])
    return await box.run(command, timeout=timeout)


async def succeeds(box, attack, *words):
    return "SUCCEEDED" in (await run(box, attack, *words)).output


async def stands(boxes, protection, attack, *words, besides=(), limits=SMALL):
    """The attack fails, or it is named why it cannot; and it succeeds without the protection.

    besides: other protections that keep it off, too, and are taken away with it.
    """
    box = await boxes.get(limits=limits)
    if await succeeds(box, attack, *words):
        print(f"{attack} {words}: not given here, {protection}")
        assert await boxes.named(protection), (
            f"{attack} succeeded, and nothing names it: {await boxes.backend().lacks()}"
        )
        return
    without = await boxes.get(protection, *besides, limits=limits)
    assert await succeeds(without, attack, *words), f"{attack} fails for another reason than {protection}"


# Limits


async def test_more_processes_than_allowed(boxes):
    await stands(boxes, "processes", "fork_bomb", ROOMY.processes, limits=ROOMY)


async def test_a_fork_bomb_ends_in_a_named_result_and_the_neighbours_go_on(boxes, marked):
    box, neighbour = await boxes.get(limits=ROOMY), await boxes.fresh()
    bomb = f"{marked.sleep} & b() {{ b | b & }}; b & while :; do :; done"
    bombing = asyncio.create_task(box.run(bomb, timeout=3))
    await wait_until_async(lambda: marked.alive() or bombing.done(), "the bomb is lit")
    assert (await neighbour.run("echo fine")).output == "fine\n"
    ended = await bombing
    assert (ended.ended, ended.exit_code) in (("timeout", 124), ("exited", 2), ("memory", 137)), ended
    assert (await box.run("echo still here")).output == "still here\n"
    assert int((await box.run("ls -d /proc/[0-9]* | wc -l")).output) < 10


@pytest.mark.parametrize("where", ["heap", "many", "shared"])
async def test_more_memory_than_allowed(boxes, where):
    size = str(3 * (SMALL.memory // MB))
    if boxes.kind == "docker" and where == "shared":
        await fails_on_docker_by_the_size_of_its_shared_memory(boxes, size)
        return
    await stands(boxes, "memory", "memory_hog", where, size)
    box = await boxes.get()
    await box.run("rm -f /dev/shm/hog*")
    assert (await box.run("echo still here")).output == "still here\n"


async def fails_on_docker_by_the_size_of_its_shared_memory(boxes, size):
    """The engine gives it 64 MB of its own, whatever the limit; what lies there counts as memory besides."""
    box = await boxes.fresh()
    assert not await succeeds(box, "memory_hog", "shared", size)
    await box.close()


async def test_a_memory_hog_is_named(boxes):
    box = await boxes.get()
    result = await run(box, "memory_hog", "heap", str(3 * (SMALL.memory // MB)))
    if await boxes.named("memory"):
        assert result.exit_code != 0 and "MemoryError" in result.output
        return
    assert (result.ended, result.exit_code) == ("memory", 137), result
    assert result.output.endswith("of memory was used]\n")


async def test_more_processor_time_than_allowed(boxes):
    tenth = dataclasses.replace(ROOMY, cpus=0.1)

    async def most_cores(box, tries):
        """What it had when it had most. A loaded machine may give little for a while, to whoever may have more too."""
        most = 0.0
        for _ in range(tries):
            most = max(most, float((await run(box, "burn")).output))
            if most > 0.25:
                break
        return most

    if await most_cores(await boxes.get(limits=tenth), 2) > 0.25:
        assert await boxes.named("cpus")
        return
    assert await most_cores(await boxes.get("cpus", limits=tenth), 50) > 0.25


async def test_more_open_files_than_allowed(boxes):
    await stands(boxes, "files", "open_files", SMALL.files)


async def test_one_file_larger_than_the_disk_limit(boxes):
    await stands(boxes, "disk", "disk_filler", "one", "/tmp/one", "60")
    for without in ((), ("disk",)):
        await (await boxes.get(*without)).run("rm -rf /tmp/one")


@pytest.mark.parametrize("how", ["large", "small", "deep", "hidden", "deleted"])
async def test_a_disk_filler_is_stopped_and_named(boxes, how):
    box, neighbour = await boxes.fresh(), await boxes.get()
    held = str(PATIENCE)  # the files that are deleted, until they are found
    result = await run(box, "disk_filler", how, "/tmp/filled", "200" if how != "small" else "60", held)
    assert (result.ended, result.exit_code) == ("disk", 137), result
    assert result.output.startswith("begun\n")
    assert result.output.endswith("[killed: more than 20 MB of disk was written]\n")
    assert (await neighbour.run("echo x >/tmp/neighbour; cat /tmp/neighbour")).output == "x\n"
    # What there is can be read and deleted, but it may not grow.
    assert (await box.run("ls / >/tmp/listing; cat /tmp/listing")).exit_code == 0
    if how == "large":
        assert (await run(box, "disk_filler", "large", "/tmp/more", "60")).ended == "disk"
        assert (await box.run("rm -rf /tmp/filled /tmp/more; du -sm /tmp | cut -f1")).ended == "exited"
        assert (await run(box, "disk_filler", "one", "/tmp/again", "5")).output == "begun\nSUCCEEDED\n"
    await box.close()
    without = await boxes.get("disk")
    assert await succeeds(without, "disk_filler", how, "/tmp/filled", "60", "0")
    await without.run("chmod -R u+rwx /tmp/filled; rm -rf /tmp/filled")


EVASIONS = {
    "mapped": 60,
    "temporary": 60,
    "thread": 60,
    "in_flight": 60,
    "reserved": 60,
    "punched": 60,
    "sparse": 60,
    "cloned": 60,
    "attributes": 60,
    "links": 60,
    "empty": 400,
    "deep": 120,
}
"""Megabytes, so that btrfs too, where an empty file takes some 350 bytes, holds more than the limit."""


@pytest.mark.parametrize("how", EVASIONS)
async def test_what_is_hidden_from_a_count_is_held_to_the_limit(boxes, how):
    if not await boxes.held():
        pytest.skip("files are counted here, which is named")
    box, neighbour = await boxes.fresh(limits=ROOMY), await boxes.get()
    before = box._disk.files.count(None)
    result = await run(box, "disk_evader", how, "/tmp/filled", str(EVASIONS[how]), str(PATIENCE))
    assert (result.ended, result.exit_code) == ("disk", 137), result
    assert "SUCCEEDED" not in result.output
    assert before < MB and box._disk.files.count(None) < 40 * MB
    assert (await neighbour.run("echo x >/tmp/neighbour; cat /tmp/neighbour")).output == "x\n"
    assert (await box.run("echo y >/tmp/own; cat /tmp/own; rm -rf /tmp/filled")).output == "y\n"
    assert (await run(box, "disk_filler", "one", "/tmp/again", "5")).output == "begun\nSUCCEEDED\n"
    await box.close()


async def test_a_descriptor_in_flight_hides_a_file_from_a_count(boxes):
    without = await boxes.fresh("quota", limits=ROOMY)
    assert any("wait in a socket" in line for line in await boxes.backend("quota").lacks())
    assert await succeeds(without, "disk_evader", "in_flight", "/tmp/filled", "60", "0.5")
    await without.close()


@pytest.mark.parametrize("how", ["mapped", "temporary", "reserved", "thread"])
async def test_what_is_held_without_a_name_is_counted(boxes, how):
    if how == "thread" and boxes.kind == "docker":
        pytest.skip("Docker's filter of system calls refuses unshare")
    box = await boxes.fresh("quota", limits=ROOMY)
    result = await run(box, "disk_evader", how, "/tmp/filled", "60", str(PATIENCE))
    assert (result.ended, result.exit_code) == ("disk", 137), result
    await box.close()


async def test_what_is_written_past_the_cache_and_deleted_again_comes_back(boxes):
    """Blocks that were freed a moment ago are not free yet; they are a second later."""
    if not await boxes.held():
        pytest.skip("files are counted here, which is named")
    box = await boxes.fresh(limits=ROOMY)
    assert await succeeds(box, "disk_evader", "direct", "/tmp/filled", "500", "0")
    assert (await box.run("true")).ended == "exited"
    assert box._disk.files.count(None) < MB
    await box.close()


async def test_what_is_in_shared_memory_is_limited_as_memory(boxes):
    box = await boxes.fresh()
    result = await run(box, "disk_evader", "mapped", "/dev/shm/filled", "200", "0")
    assert result.ended != "disk" and "SUCCEEDED" not in result.output, result
    await box.close()


async def test_a_disk_filler_that_outlives_its_command_is_stopped(boxes, marked):
    box = await boxes.fresh()
    started = await run(box, "disk_filler", "sleeper", "/tmp/filled", "300")
    assert started.ended == "exited"
    await box.run(f"{marked.sleep} >/dev/null 2>&1 &")
    await marked.there()
    await box.write("/tmp/go", b"")
    await marked.gone()  # it was not left to write on
    size = int((await box.run("du -sm /tmp/filled | cut -f1")).output)
    assert size < 200
    await box.close()


async def test_a_full_tmp_and_a_full_home(boxes):
    box = await boxes.fresh()
    for folder in ("/tmp/x", "$HOME/x", "/dev/shm/x"):
        result = await box.run(f"mkdir -p {folder}; cd {folder}; yes >one; yes >two; yes >three")
        assert result.exit_code != 0 and result.ended in ("exited", "disk", "memory"), result
        after = await box.run(f"rm -rf {folder}; echo next")
        # What lies in /dev/shm is memory that no kill of a command gives back: then there may be none to go on with.
        assert after.output.endswith("next\n") or (folder == "/dev/shm/x" and after.ended == "memory"), after
    await box.close()


async def test_ten_gigabytes_of_output(boxes):
    box = await boxes.get()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await box.run("head -c 10000000000 /dev/zero", timeout=60)
    assert result.ended in ("exited", "timeout")
    assert len(result.output) < SMALL.output + 200 and result.cut > 100 * MB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10, "kept in Winnow's memory"
    assert (await box.run("echo next")).output == "next\n"
    without = await boxes.get("output")
    whole = await without.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert whole.cut == 0 and len(whole.output) == 3_000_000


async def test_a_daemon_that_ignores_signals_outlives_no_time_out(boxes, marked):
    box = await boxes.get()
    result = await cut_off(
        lambda timeout: run(box, "stubborn", "600", marked.word, timeout=timeout),
        lambda result: result.output.count("partial") == 2,
    )
    assert (result.ended, result.exit_code, result.output) == ("timeout", 124, "partial\n" * 2)
    assert marked.alive() == []
    without = await boxes.get("time")
    assert "SUCCEEDED" in (await run(without, "stubborn", "3", marked.word, timeout=1)).output


# What is outside


@contextlib.contextmanager
def listening(how):
    """A server of the host. -> the words that name it"""
    family = socket.AF_INET if how == "tcp" else socket.AF_UNIX
    with socket.socket(family) as server, contextlib.ExitStack() as stack:
        if how == "tcp":
            server.bind(("127.0.0.1", 0))
            where = str(server.getsockname()[1])
        elif how == "abstract":
            where = f"winnow-{secrets.token_hex(8)}"
            server.bind("\0" + where)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".winnow-", dir=Path.home()))
            where = f"{folder}/socket"
            server.bind(where)
        server.listen()
        yield how, where


@pytest.mark.parametrize("how", ["tcp", "abstract"])
async def test_servers_on_the_hosts_loopback(boxes, how):
    with listening(how) as words:
        await stands(boxes, "network", "connect", *words)


async def test_sockets_of_the_hosts_folders(boxes):
    with listening("path") as words:
        await stands(boxes, "root", "connect", *words, besides=("ids",))
    assert not await succeeds(await boxes.get(), "connect", "path", "/var/run/docker.sock")


async def test_files_of_the_hosts_home_and_other_folders(boxes):
    folders = [Path.home(), Path("/tmp"), Path("/run")]
    with contextlib.ExitStack() as stack:
        secret = [
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".winnow-", dir=folder))) / "secret"
            for folder in folders
            if os.access(folder, os.W_OK)
        ]
        for path in secret:
            path.write_text("the host's")
            path.parent.chmod(0o755)
        box, without = await boxes.get(), await boxes.get("root", "ids")
        for path in secret:
            assert "the host's" not in (await box.run(f"cat {path}")).output
        seen = [
            (await without.run(f"cat {path}")).output for path in secret if path.parent.parent != Path("/tmp")
        ]
        assert seen == ["the host's"] * len(seen) and seen


async def test_links_out_of_the_sandbox(boxes):
    """Reading and writing from outside resolves paths inside: a link leads to what the sandbox has there."""
    with tempfile.TemporaryDirectory(prefix=".winnow-", dir=Path.home()) as folder:
        secret = Path(folder, "secret")
        secret.write_text("the host's")
        Path(folder).chmod(0o755)
        box = await boxes.fresh()
        await box.run(
            f"ln -s {secret} /tmp/link; ln -s {folder} /tmp/folder; ln -s /proc/1/root/etc /tmp/etc"
        )
        for path in ("/tmp/link", "/tmp/folder/secret", "/tmp/../../../.." + str(secret)):
            with pytest.raises(NotThere):
                await box.read(path)
        with pytest.raises(SandboxError):
            await box.read("/tmp/etc/shadow")
        for path in ("/tmp/link", "/tmp/folder/new"):
            with contextlib.suppress(SandboxError):
                await box.write(path, b"changed")
        assert secret.read_text() == "the host's" and os.listdir(folder) == ["secret"]
        await box.close()
        without = await boxes.get("root", "ids")
        await without.run(f"ln -s {secret} /dev/shm/link")
        assert await without.read("/dev/shm/link") == b"the host's"


async def test_the_hosts_environment(boxes, monkeypatch):
    """Nothing to take away: the environment is made from nothing. So other ways to it are tried."""
    monkeypatch.setenv("WINNOW_ATTACK_SECRET", "sk-4711")
    box = await boxes.fresh()
    seen = await box.run("env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert "sk-4711" not in seen.output and "WINNOW_ATTACK" not in seen.output
    await box.close()


async def test_signals_to_the_host(boxes, marked):
    outside = subprocess.Popen(marked.sleep.split())
    try:
        box = await boxes.get()
        assert (await box.run(f"kill -9 {outside.pid}")).exit_code != 0
        await box.run("kill -9 -1")
        assert outside.poll() is None
        assert (await box.run("echo still here")).output == "still here\n"
        # The exec server refuses to serve where its signals would reach others.
        with pytest.raises(SandboxError):
            await (await boxes.fresh("pids")).run("true")
        assert outside.poll() is None
        if boxes.kind == "docker":
            in_the_same_container_but_for_its_process_table(boxes, box, f"kill -9 {outside.pid}")
            assert outside.wait(PATIENCE) == -9, "the attack fails for another reason"
    finally:
        outside.kill()
        outside.wait()


def in_the_same_container_but_for_its_process_table(boxes, box, command):
    api = boxes.backend()._engine.api
    told = api.inspect_container(box.container)
    shown = [one for one in told["HostConfig"]["Mounts"] if os.path.exists(one.get("Source", "/"))]
    host = {**told["HostConfig"], "PidMode": "host", "AutoRemove": False, "Mounts": shown}
    asked = {**told["Config"], "Entrypoint": ["/bin/sh", "-c", command], "HostConfig": host}
    made = api.create_container_from_config(asked)["Id"]
    try:
        api.start(made)
        assert api.wait(made)["StatusCode"] == 0
    finally:
        api.remove_container(made, force=True)


async def test_neighbours(boxes, marked):
    box, neighbour = await boxes.get(), await boxes.fresh()
    await neighbour.run(f"echo secret >/tmp/secret; {marked.sleep} >/dev/null 2>&1 &")
    await marked.there()
    await box.run("kill -9 -1; cat /tmp/secret")
    assert len(marked.alive()) == 1
    assert (await box.run("cat /tmp/secret /proc/*/root/tmp/secret 2>/dev/null")).output == ""
    assert (await neighbour.run("cat /tmp/secret")).output == "secret\n"
    await neighbour.close()


# The kernel

SETTINGS = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/sys/kernel/hostname")
SECRETS = (
    "/proc/timer_list",
    "/proc/kcore",
    "/proc/kpagecount",
    "/proc/sched_debug",
    "/dev/mem",
    "/dev/kmsg",
)


def there(paths):
    return [path for path in paths if os.path.exists(path)]


async def test_the_kernels_settings(boxes):
    box = await boxes.get()
    settings = there(SETTINGS[:2])
    assert not await succeeds(box, "kernel_files", "write", *settings)
    for path in there(
        ("/proc/sysrq-trigger", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state")
    ):
        assert (await box.run(f"[ ! -e {path} ] || : >>{path}")).exit_code != 0 or not await exists(box, path)
    without = await boxes.get("proc", "ids")
    # The kernel itself keeps an ordinary user from these, whatever is mounted how.
    ordinary = boxes.kind == "docker" and os.geteuid() != 0
    assert await succeeds(without, "kernel_files", "write", *settings) != (boxes.user or ordinary)
    if boxes.kind == "overlay" and not boxes.user and not await boxes.named("ids"):
        assert not await succeeds(await boxes.get("proc"), "kernel_files", "write", *settings), (
            "ids stand, too"
        )
        assert not await succeeds(await boxes.get("ids"), "kernel_files", "write", *settings), (
            "proc stands, too"
        )


async def exists(box, path):
    return (await box.run(f"test -e {path}")).exit_code == 0


async def test_what_the_kernel_tells_of_the_machine(boxes):
    assert not await succeeds(await boxes.get(), "kernel_files", "read", *there(SECRETS))
    assert (await (await boxes.get()).run("dmesg")).exit_code != 0
    without = await run(await boxes.get("proc", "ids"), "kernel_files", "read", *there(SECRETS))
    if os.geteuid() == 0 and "/proc/timer_list" in there(SECRETS):
        assert "/proc/timer_list" in without.output


async def test_the_first_process(boxes):
    """It answers for the sandbox: who could look into it or write for it could forge its answers."""
    box = await boxes.fresh()
    result = await run(box, "first_process")
    assert (result.output, result.exit_code) == ("FAILED\n", 0), result
    assert not await succeeds(box, "system_calls", "trace")
    assert (await box.run("exit 7")).exit_code == 7
    await box.close()


@pytest.mark.parametrize("what", ["user_namespace", "key"])
async def test_parts_of_the_kernel_that_nobody_needs(boxes, what):
    await stands(boxes, "seccomp", "system_calls", what)


@pytest.mark.parametrize("what", ["userfaultfd", "io_uring", "mount", "device", "chroot", "raw", "packet"])
async def test_what_takes_a_right(boxes, what):
    """Some kernels and engines refuse these twice over; that they are refused is what counts."""
    if await succeeds(await boxes.get(), "system_calls", what):
        assert await boxes.named(what)


@pytest.mark.parametrize("what", ["over_the_mode", "somebody_elses", "chroot"])
async def test_no_capabilities(boxes, what):
    if what == "somebody_elses" and boxes.user:
        await has_one_user(await boxes.get())
        return
    await stands(boxes, "capabilities", "system_calls", what, besides=("seccomp",))


async def has_one_user(box):
    """An ordinary user's sandbox knows nobody else whose rights could be had or given away."""
    first, _, count = (await box.run("cat /proc/self/uid_map")).output.split()
    assert (first, count) == ("0", "1")


async def test_programs_that_bring_rights(boxes, tmp_path):
    """A set-user-id program of somebody else's, placed in the sandbox, starts as its caller."""
    if os.geteuid() != 0:
        if boxes.kind == "docker":
            pytest.skip("only root can make another user's program")
        await has_one_user(await boxes.get())
        return
    source = tmp_path / "place"
    source.mkdir()
    program = source / "python"
    program.write_bytes(Path(os.path.realpath(PYTHON)).read_bytes())
    os.chown(program, 4321, 4321)
    program.chmod(0o6755)
    world = dataclasses.replace(WORLD, places=(Place(source, "/srv/place"),))
    ask = (
        f"LD_LIBRARY_PATH={sys.base_prefix}/lib PYTHONHOME={sys.base_prefix} "
        "/srv/place/python -S -c 'import os; print(os.geteuid(), os.getegid())'"
    )
    box = await boxes.get(world=world)
    assert (await box.run(ask)).output == "0 0\n"
    # An overlay sandbox's filter of system calls takes that no rights can be had.
    without = await boxes.get("privileges", "seccomp", world=world)
    expected = "4321 4321\n" if boxes.kind == "docker" else "0 0\n"  # there, no disk brings rights (nosuid)
    assert (await without.run(ask)).output == expected
    assert "NoNewPrivs:\t0" in (await without.run("cat /proc/self/status")).output
    for one in (box, without):
        await one.close()


async def test_who_a_sandbox_is_on_the_host(boxes, marked):
    """Root of a sandbox is nobody of the host, where ids can be shifted; else it is named."""

    async def owner(box):
        await box.run(f"{marked.sleep} >/dev/null 2>&1 &")
        await marked.there()
        found = Path(f"/proc/{marked.alive()[0]}/status").read_text()
        await box.run("kill -9 -1")
        await marked.gone()
        return int(next(line for line in found.splitlines() if line.startswith("Uid:")).split()[1])

    if boxes.user:
        assert await owner(await boxes.get()) == os.geteuid()
        return
    if await owner(await boxes.get()) == 0:
        assert await boxes.named("ids")
        return
    assert await owner(await boxes.get("ids")) == 0


async def test_a_protection_that_there_is_none_of_cannot_be_taken_away(boxes):
    with pytest.raises(ValueError, match="no such protection"):
        boxes.backend("nonsense")
