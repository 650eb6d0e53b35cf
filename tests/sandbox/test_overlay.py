"""What only overlay sandboxes do: layers, owners, protections that fail when taken away, an ordinary user."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 (short looks at the machine from outside)

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ordinary_user import ordinary_user, run_tests_as
from waiting import wait_until_async

from sandbox import (
    CannotStart,
    DiskFull,
    HostRoot,
    Image,
    Limits,
    OverlayBackend,
    Place,
    RootFs,
    SandboxDied,
    SandboxError,
    World,
    overlay_probe,
    probe_overlay,
)
from sandbox.inside import mounts
from sandbox.leftovers import clean_overlay

pytestmark = pytest.mark.overlay
ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="what is protected here is root's power over the host")


@pytest.fixture
async def backend(tmp_path):
    backend = OverlayBackend("overlay-test", tmp_path / "state")
    yield backend
    await backend.close()


def placed(tmp_path: Path, target="/place/deep/project") -> World:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("host")
    return World(places=(Place(source, target),), workdir=target)


async def test_sealing_ends_the_parents_processes(backend, tmp_path):
    parent = await backend.start(placed(tmp_path), name="parent", limits=Limits())
    await parent.run("(while :; do echo x >>growing; done) & until [ -s growing ]; do :; done")
    pid = parent.pid
    copy = await parent.copy("copy")
    assert parent.pid is None and not Path("/proc", str(pid)).exists()
    assert await parent.read("growing") == await copy.read("growing")


async def test_layers_go_with_the_last_that_stands_on_them(backend, tmp_path):
    parent = await backend.start(placed(tmp_path), name="parent", limits=Limits())
    state = backend.layers.path
    child = await parent.copy("child")
    grandchild = await child.copy("grandchild")
    await parent.close()
    await child.close()
    assert [p.name for p in sorted(state.iterdir()) if p.name.isdigit()] == ["1", "2", "3"]
    await grandchild.close()
    assert [p.name for p in state.iterdir() if p.name.isdigit()] == []
    await backend.close()
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize(
    "attack",
    [
        "mv /place /gone; ln -s /oldroot{outside} /place",
        "mv /place/deep /gone; ln -s /oldroot{outside} /place/deep",
        "mv /place /gone; ln -s ../oldroot{outside} /place",
        "mv /place /gone; ln -s /newroot/tmp /place",
    ],
)
async def test_a_link_in_the_way_of_a_mount_leads_nowhere(backend, tmp_path, attack):
    """Mounts are made while the host's root can still be reached, with root's rights there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    sandbox = await backend.start(placed(tmp_path), name="hostile", limits=Limits())
    assert (await sandbox.run(attack.format(outside=outside), cwd="/")).exit_code == 0
    try:
        # A folder of a lower layer can only be moved where the kernel's overlays redirect: then a link is met.
        copy = await sandbox.copy("copy")
        assert (await copy.run("pwd -P")).output == "/place/deep/project\n"
    except SandboxError as error:
        assert "link" in str(error)
    assert list(outside.iterdir()) == []


async def test_a_link_where_the_sandbox_has_a_folder_of_its_own_is_refused(backend):
    sandbox = await backend.start(World(), name="hostile", limits=Limits())
    assert (
        await sandbox.run("rm -r /tmp/home; rmdir /tmp/home; ln -s /usr /tmp/home", cwd="/")
    ).exit_code == 0
    copy = await sandbox.copy("copy")  # what a command did to its own home is its own affair
    assert (await copy.run("readlink /tmp/home")).output == "/usr\n"


def test_without_the_check_such_a_link_would_lead_out(tmp_path, monkeypatch):
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/place").symlink_to(tmp_path / "outside")
    root = os.open(tmp_path / "root", os.O_PATH)
    with pytest.raises(mounts.LinkInTheWay), mounts._opened(root, "/place/deep", os.getuid()):
        pass
    assert list((tmp_path / "outside").iterdir()) == []
    monkeypatch.setattr(mounts, "_FOLDER", mounts._FOLDER & ~os.O_NOFOLLOW)
    with mounts._opened(root, "/place/deep", os.getuid()):
        assert [found.name for found in (tmp_path / "outside").iterdir()] == ["deep"]
    os.close(root)


async def opened(tmp_path, *without):
    """A sandbox without these protections, and its backend."""
    backend = OverlayBackend("open", tmp_path / "state", without=without)
    return backend, await backend.start(World(), name="open", limits=Limits())


@only_root
async def test_without_the_read_only_kernel_files_root_could_change_the_host(tmp_path):
    backend, sandbox = await opened(tmp_path, "proc", "ids")
    value = Path("/proc/sys/vm/swappiness").read_text().strip()
    assert (await sandbox.run(f"echo {value} >/proc/sys/vm/swappiness")).exit_code == 0
    await backend.close()


async def test_without_the_allow_list_the_host_would_show(backend, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    closed = await backend.start(World(), name="closed", limits=Limits())
    assert (await closed.run(f"cat {secret}")).exit_code != 0
    other, sandbox = await opened(tmp_path, "root", "ids")
    assert (await sandbox.run(f"cat {secret}")).output == "the host's"
    await other.close()


async def test_without_the_filter_user_namespaces_would_work(backend, tmp_path):
    closed = await backend.start(World(), name="closed", limits=Limits())
    assert (await closed.run("unshare -U true")).exit_code != 0
    other, sandbox = await opened(tmp_path, "seccomp")
    assert (await sandbox.run("unshare -U true")).exit_code == 0
    await other.close()


@only_root
async def test_users_of_a_sandbox_are_nobody_on_the_host(backend, tmp_path):
    sandbox = await backend.start(placed(tmp_path), name="shifted", limits=Limits())
    if any("not shifted" in line for line in await backend.lacks()):
        pytest.skip("this kernel or disk cannot shift owners")
    made = await sandbox.run(
        "id -u; stat -c %u file /usr/bin/env; echo new >new; chmod 4755 new; stat -c %u new"
    )
    assert made.output == "0\n0\n0\n0\n"
    inside = Path("/proc", str(sandbox.pid)).stat().st_uid
    status = Path("/proc", str(sandbox.pid), "status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert set(uids) != {"0"} and inside in (0, int(uids[0]))
    written = next(backend.layers.path.glob("*/upper1/new"))
    assert str(written.stat().st_uid) == uids[0]
    assert (await (await sandbox.copy("copy")).run("stat -c %u new; rm new file; ls")).output == "0\n"


async def test_limits(backend):
    limits = Limits(memory=200 << 20, files=64, disk=1 << 20)
    sandbox = await backend.start(World(HostRoot((sys.base_prefix,))), name="small", limits=limits)
    assert (await sandbox.run("ulimit -n")).output == "64\n"
    hog = await sandbox.run(f"{sys.base_prefix}/bin/python3 -c 'x = bytearray(400 << 20)'")
    if any("memory is limited for each process" in line for line in await backend.lacks()):
        assert hog.exit_code != 0 and "MemoryError" in hog.output
    else:
        assert (hog.exit_code, hog.ended) == (137, "memory")
        assert hog.output.endswith("[killed: more than 0.2 GB of memory was used]\n")
    assert (await sandbox.run("false")).ended == "exited", "one kill is told of once"
    # Holes take no disk, so that the watch has nothing to find, however slow the machine is.
    write = "dd if=/dev/zero of=/tmp/big bs=64k count=1 conv=notrunc seek="
    assert (await sandbox.run(f"{write}15")).exit_code == 0
    assert (await sandbox.run(f"{write}16")).exit_code != 0
    assert (await sandbox.run("stat -c %s /tmp/big")).output == f"{1 << 20}\n"
    assert all(line.startswith("overlay: ") and line.endswith(".") for line in await backend.lacks())


@only_root
async def test_a_full_disk_is_a_sentence(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)], check=True)
    backend = OverlayBackend("full", small / "state")
    try:
        sandbox = await backend.start(World(), name="filler", limits=Limits())
        with pytest.raises(DiskFull):
            await sandbox.write("/tmp/big", b"x" * (10 << 20))
        await sandbox.run("cat /dev/zero >/tmp/rest")
        with pytest.raises(DiskFull):
            late = await backend.start(World(), name="late", limits=Limits())
            await late.write("/tmp/x", b"x" * 10000)
        assert (await sandbox.run("echo alive")).output == "alive\n"
    finally:
        await backend.close()
        subprocess.run(["umount", str(small)], check=True)


async def test_a_root_file_system_of_its_own(backend, docker_rootfs, tmp_path):
    world = World(RootFs(docker_rootfs), places=placed(tmp_path).places, workdir="/testbed")
    sandbox = await backend.start(world, name="rootfs", limits=Limits())
    assert (await sandbox.run("cat code.py; ls /usr; cat /place/deep/project/file")).output == "oldbin\nhost"
    await sandbox.write("code.py", b"new")
    copy = await sandbox.copy("copy")
    assert await copy.read("code.py") == b"new"
    assert (docker_rootfs / "testbed/code.py").read_text() == "old"
    assert not (docker_rootfs / "work").exists()
    with pytest.raises(CannotStart, match="no root file system"):
        await backend.start(World(RootFs(tmp_path)), name="empty", limits=Limits())


@pytest.mark.docker
async def test_an_image_is_unpacked_once(backend, docker_engine, docker_rootfs):
    from sandbox.images import import_rootfs

    image = await asyncio.to_thread(import_rootfs, docker_engine, docker_rootfs)
    starts = [
        backend.start(World(Image(image), workdir="/testbed"), name=f"i{n}", limits=Limits())
        for n in range(3)
    ]
    for started in await asyncio.gather(*starts):
        assert (await started.run("cat code.py")).output == "old"
    with pytest.raises(CannotStart):
        await backend.start(World(Image("winnow.invalid/no/such:image")), name="none", limits=Limits())


async def test_a_run_has_one_owner_and_its_leftovers_are_its_own(tmp_path):
    state = tmp_path / "state"
    backend = OverlayBackend("mine", state)
    sandbox = await backend.start(World(), name="a", limits=Limits())
    with pytest.raises(CannotStart, match="still lives"):
        await OverlayBackend("mine", state).start(World(), name="b", limits=Limits())
    assert clean_overlay(state) == []
    with pytest.raises(SandboxError, match=f"process {os.getpid()}"):
        clean_overlay(state, "mine")
    assert (await sandbox.run("echo here")).output == "here\n"
    # A command may leave a file that is root's and setuid: no other user of the host may reach it.
    assert (state / "mine").stat().st_mode & 0o077 == 0
    assert clean_overlay(state, "unknown") == []
    for wrong in ("", "..", "../up", "a/b", ".hidden", "a b"):
        with pytest.raises(SandboxError):
            clean_overlay(state, wrong)
        with pytest.raises(SandboxError):
            OverlayBackend(wrong, state)
    await backend.close()


async def test_leftovers_of_a_dead_run_go_whatever_their_modes(tmp_path):
    state = tmp_path / "state"
    for run in ("dead", "resumed"):
        work = state / run / "7/work0/work/deep"
        work.mkdir(parents=True)
        (work / "file").write_text("x")
        (state / run / "owner").write_text("1\n")
        (state / run / "7/link").symlink_to(tmp_path / "kept")
        for folder in (work, work.parent):
            folder.chmod(0)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (state / "foreign").mkdir()  # no owner file: not made by us
    resumed = OverlayBackend("resumed", state)
    sandbox = await resumed.start(World(), name="a", limits=Limits())
    assert not (state / "resumed/7").exists()
    assert clean_overlay(state) == ["overlay layers of run dead"]
    assert (await sandbox.run("echo here")).output == "here\n"
    await resumed.close()
    assert sorted(p.name for p in state.iterdir()) == ["foreign"]
    assert (tmp_path / "kept/file").exists()


STARTER = """
import asyncio, sys
from pathlib import Path
from sandbox import *
async def main():
    backend = OverlayBackend("starter", Path(sys.argv[1]))
    await backend.start(World(), name="first", limits=Limits())
    # A sandbox whose shell was stopped does not notice the end of its channel.
    stopped = await backend.start(World(), name="stopped", limits=Limits())
    task = asyncio.ensure_future(stopped.run("kill -STOP -1; : >/begun; exec sleep 1000"))
    while not any(backend.layers.path.glob("*/upper0/begun")):
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    while True:
        await asyncio.gather(*(backend.start(World(), name="x", limits=Limits()) for _ in range(4)))
asyncio.run(main())
"""


@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.05, 0.11])
async def test_an_owner_killed_while_it_starts_sandboxes_leaves_none(tmp_path, after):
    folder = str(Path(mounts.__file__).parents[2])
    argv = [sys.executable, "-c", STARTER, str(tmp_path / "state")]
    owner = subprocess.Popen(
        argv, stdout=subprocess.PIPE, cwd=folder, env={**os.environ, "PYTHONPATH": folder}
    )
    assert owner.stdout.readline() == b"ready\n"
    await asyncio.sleep(after)
    before = _namespaces_of(owner.pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    await wait_until_async(
        lambda: not any(Path("/proc", pid).exists() for pid in before), "no process outlives its owner"
    )
    assert clean_overlay(tmp_path / "state") == ["overlay layers of run starter"]


def _namespaces_of(pid: int) -> list[str]:
    """All descendants of a process."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            parents[entry] = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1]
    found, level = [], [str(pid)]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


async def test_an_image_without_a_shell_is_a_sentence(backend, tmp_path):
    (tmp_path / "rootfs/bin").mkdir(parents=True)
    with pytest.raises(CannotStart, match="no /?bin/sh"):
        await backend.start(World(RootFs(tmp_path / "rootfs")), name="empty", limits=Limits())
    left = [p.name for p in backend.layers.path.iterdir() if p.name[0].isdigit()]
    assert left == []


async def test_the_probe_says_what_to_do(monkeypatch, tmp_path):
    assert (await probe_overlay(tmp_path / "not/yet/there")).works
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(overlay_probe.platform, "system", lambda: "Darwin")
    assert "Docker" in (await probe_overlay()).cure


async def test_the_probe_explains_a_kernel_that_refuses(monkeypatch):
    async def refused(folder):
        raise CannotStart("unshare: write failed /proc/self/uid_map: Operation not permitted")

    monkeypatch.setattr(overlay_probe, "_try", refused)
    monkeypatch.setattr(overlay_probe.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(overlay_probe, "_setting", {"kernel/apparmor_restrict_unprivileged_userns": "1"}.get)
    restricted = await probe_overlay()
    assert "AppArmor" in restricted.why
    assert restricted.cure == "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"


async def test_a_dead_sandbox_can_be_closed_and_is_not_copied(backend):
    sandbox = await backend.start(World(), name="dying", limits=Limits())
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(SandboxDied):
        await sandbox.run("true")
    with pytest.raises(SandboxDied):
        await sandbox.copy("copy")
    await sandbox.close()


async def test_a_launcher_that_is_killed_takes_its_sandboxes_along_and_is_started_again(backend):
    sandbox = await backend.start(World(), name="first", limits=Limits())
    first = sandbox.pid
    sealed = await backend.start(World(), name="sealed", limits=Limits())
    await sealed.write("/made", b"made\n")
    await (await sealed.copy("first")).close()
    backend._launcher._process.kill()
    await wait_until_async(lambda: backend._launcher.gone, "its end was noticed")
    with pytest.raises(SandboxDied):
        await sandbox.run("true")
    again = await backend.start(World(), name="again", limits=Limits())
    assert (await again.run("echo works")).output == "works\n"
    assert (await (await sealed.copy("second")).run("cat made /etc/hostname")).output == "made\nsandbox\n"
    await sandbox.close()
    await wait_until_async(
        lambda: not Path("/proc", str(first)).exists(), "a sandbox does not outlive its launcher"
    )


async def test_cancelled_starts_leave_nothing(backend, tmp_path):
    first = await backend.start(World(), name="first", limits=Limits())
    for after in (0, 0.001, 0.002, 0.004, 0.008):
        start = asyncio.ensure_future(first.copy("cancelled"))
        await asyncio.sleep(after)
        start.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await start).close()
    await first.close()
    layers = backend.layers.path
    await wait_until_async(
        lambda: not [path for path in layers.iterdir() if path.name.isdigit()], "no layer is left"
    )


@pytest.mark.timeout(1800)  # all tests of the contract
async def test_the_contract_holds_for_an_ordinary_user():
    parts = ("sandbox", "docker", "tests/sandbox")
    with ordinary_user() as user:
        await asyncio.to_thread(run_tests_as, user, parts, ["-k", "overlay", "tests/sandbox/contract"])


async def test_runs_of_one_name_in_two_places_leave_each_other_alone(tmp_path):
    """Two stores may have runs of one name: the end of one is nothing to the other's sandboxes."""
    one, other = (OverlayBackend("same-name", tmp_path / where / "state") for where in ("one", "other"))
    first = await one.start(World(), name="a", limits=Limits())
    second = await other.start(World(), name="a", limits=Limits())
    await one.close()
    assert (await second.run("echo alive")).output == "alive\n"
    await (await second.copy("b")).close()
    with pytest.raises(SandboxError):
        await first.run("true")
    await other.close()
