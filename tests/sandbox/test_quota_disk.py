"""The disk of a run's own: what is held, what becomes of it however its users end, and where there is none."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 (short looks at the machine from outside)

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE, wait_until, wait_until_async

from sandbox import DiskFull, HostRoot, Limits, OverlayBackend, SandboxError, World, quota_disk
from sandbox.leftovers import clean_overlay
from sandbox.quota_disk import QuotaDisk, Unavailable

pytestmark = pytest.mark.overlay
MB = 1 << 20
SMALL = Limits(disk=20 * MB, timeout=PATIENCE)
WORLD = World(root=HostRoot(extra=(sys.base_prefix,)), workdir="/tmp")
FILL = "head -c {}M /dev/zero >/tmp/filled{}"


def loop_files(folder: Path) -> list[str]:
    """The files below a folder that loop devices stand on."""
    found = []
    for about in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # it went just now
            found.append(about.read_text())
    return [one for one in found if one.startswith(str(folder))]


def mounts_of_btrfs() -> set[str]:
    """Namespaces of processes in which a btrfs is mounted in a folder of layers."""
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for line in Path("/proc", entry, "mountinfo").read_text().splitlines():
                if " - btrfs /dev/loop" in line:
                    found.add(line.split()[4])
    return found


def left_below(folder: Path) -> list[str]:
    return loop_files(folder) + [one for one in mounts_of_btrfs() if one.startswith(str(folder))]


async def gone(folder: Path) -> None:
    await wait_until_async(lambda: not left_below(folder), "no mount and no loop device is left")


@pytest.fixture
def possible(tmp_path):
    """Skips where there can be no such disk, saying why."""
    (tmp_path / "try").mkdir()
    try:
        QuotaDisk.create(tmp_path / "try").close()
    except Unavailable as error:
        pytest.skip(f"no disk with quotas here: {error}")


@pytest.fixture
async def backend(possible, tmp_path):
    backend = OverlayBackend("quotas", tmp_path / "state")
    yield backend
    await backend.close()
    assert not any((tmp_path / "state").iterdir())
    await gone(tmp_path)


async def test_nothing_is_lacking_and_nothing_shows_on_the_host(backend, tmp_path):
    assert not any("disk space" in line for line in await backend.lacks())
    assert loop_files(tmp_path) == [f"{tmp_path}/state/quotas/disk (deleted)\n"]
    assert "btrfs" not in Path("/proc/self/mountinfo").read_text()
    assert list((tmp_path / "state/quotas/layers").iterdir()) == []


async def test_one_at_its_limit_is_nothing_to_its_neighbours(backend):
    box, neighbour = [await backend.start(WORLD, name=name, limits=SMALL) for name in "ab"]
    going = asyncio.create_task(neighbour.run("for i in $(seq 200); do echo $i >/tmp/$i || exit 1; done"))
    assert (await box.run(FILL.format(15, 1))).ended == "exited"
    assert (await box.run(FILL.format(15, 2))).ended == "disk"
    assert (await going).exit_code == 0
    assert (await neighbour.run(FILL.format(15, 1))).exit_code == 0
    assert len(await box.read("/tmp/filled1")) == 15 * MB
    assert (await box.run("rm /tmp/filled2; cat /tmp/filled1 | wc -c")).output == f"{15 * MB}\n"
    assert (await box.run("echo more >/tmp/more; cat /tmp/more")).output == "more\n"


async def test_a_file_that_winnow_writes_counts_too(backend):
    box = await backend.start(WORLD, name="a", limits=SMALL)
    with pytest.raises(SandboxError, match="more than 20 MB of disk was written") as refused:
        for number in range(4):
            await box.write(f"/tmp/{number}", bytes(10 * MB))
    assert not isinstance(refused.value, DiskFull), "the host's disk has room"
    assert (await box.run("rm /tmp/[0-9]; echo next")).output == "next\n"
    await box.write("/tmp/0", bytes(10 * MB))


async def test_copies_of_copies_have_each_its_own_limit(backend):
    box = await backend.start(WORLD, name="0", limits=SMALL)
    for depth in range(1, 21):
        assert (await box.run(FILL.format(15, depth))).exit_code == 0
        box, below = await box.copy(str(depth)), box
        await below.close()
    assert (await box.run("cat /tmp/filled* | wc -c")).output == f"{20 * 15 * MB}\n"
    # To change what another layer holds takes none of one's own but what is written.
    assert (
        await box.run("for i in 1 2 3; do echo x >>/tmp/filled$i; done; cat /tmp/f* | wc -c")
    ).ended == "exited"
    assert (await box.run("cat /dev/zero | head -c 25M >/tmp/last; sleep 60")).ended == "disk"


async def test_what_was_removed_is_given_back_to_the_hosts_disk(possible, tmp_path, monkeypatch):
    made, files = quota_disk.btrfs.loop_device, []

    def noted(file):
        files.append(os.dup(file))
        return made(file)

    monkeypatch.setattr(quota_disk.btrfs, "loop_device", noted)
    backend = OverlayBackend("back", tmp_path / "state")
    box = await backend.start(WORLD, name="a", limits=Limits())
    assert (await box.run("dd if=/dev/zero of=/tmp/filled bs=1M count=200 oflag=direct")).exit_code == 0
    assert os.fstat(files[0]).st_blocks * 512 > 200 * MB
    await box.run("rm /tmp/filled")
    await wait_until_async(lambda: os.fstat(files[0]).st_blocks * 512 < 50 * MB, "the host has it again")
    assert (await box.run("dd if=/dev/zero of=/tmp/filled bs=1M count=200 oflag=direct")).exit_code == 0
    await box.close()
    await wait_until_async(lambda: os.fstat(files[0]).st_blocks * 512 < 50 * MB, "and after a close")
    os.close(files[0])
    await backend.close()


async def test_two_runs_have_each_its_own(backend, tmp_path):
    other = OverlayBackend("other", tmp_path / "state")
    boxes = [await one.start(WORLD, name="a", limits=SMALL) for one in (backend, other)]
    assert len(loop_files(tmp_path)) == 2
    assert [(await box.run(FILL.format(15, 1))).exit_code for box in boxes] == [0, 0]
    await other.close()
    assert (await boxes[0].run("wc -c </tmp/filled1")).output == f"{15 * MB}\n"
    await wait_until_async(lambda: len(loop_files(tmp_path)) == 1, "the other's is gone")


async def test_a_killed_launcher_takes_no_layer_along(backend, tmp_path):
    sealed = await backend.start(WORLD, name="a", limits=SMALL)
    await sealed.run(FILL.format(15, 1))
    await (await sealed.copy("b")).close()
    backend._launcher._process.kill()
    await wait_until_async(lambda: backend._launcher.gone, "its end was noticed")
    await backend.start(WORLD, name="c", limits=SMALL)
    copy = await sealed.copy("d")
    assert (await copy.run("wc -c </tmp/filled1")).output == f"{15 * MB}\n"
    assert (await copy.run(f"{FILL.format(19, 2)}; {FILL.format(19, 3)}; sleep 60")).ended == "disk"
    assert len(loop_files(tmp_path)) == 1


STARTER = """
import asyncio, sys
from pathlib import Path
from sandbox import *
async def main():
    backend = OverlayBackend("killed", Path(sys.argv[1]))
    box = await backend.start(World(), name="a", limits=Limits())
    asyncio.ensure_future(box.run("while :; do head -c 20M /dev/zero >/tmp/x; done"))
    while not any(backend.layers.path.glob("*/upper0/tmp/x")):
        await asyncio.sleep(0.01)
    print(backend._launcher._process.pid, flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


@pytest.mark.parametrize("launcher_too", [False, True])
async def test_kill_9_leaves_no_mount_no_loop_device_and_no_file(possible, tmp_path, launcher_too):
    checkout = str(Path(__file__).parents[2])
    owner = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": checkout},
    )
    launcher = int(owner.stdout.readline())
    assert left_below(tmp_path)
    owner.send_signal(signal.SIGKILL)
    if launcher_too:
        os.kill(launcher, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    await gone(tmp_path)
    wait_until(lambda: not Path("/proc", str(launcher)).exists(), "the launcher ended")
    if launcher_too:
        assert clean_overlay(tmp_path / "state") == ["overlay layers of run killed"]
        return
    # As a resumed run does: what the dead process left goes, and everything works again.
    (tmp_path / "state/killed/disk").write_bytes(b"killed while it was made")
    resumed = OverlayBackend("killed", tmp_path / "state")
    box = await resumed.start(WORLD, name="a", limits=SMALL)
    assert (await box.run(f"{FILL.format(25, 1)}; sleep 60")).ended == "disk"
    await resumed.close()
    await gone(tmp_path)
    assert not any((tmp_path / "state").iterdir())


async def test_the_hosts_disk_is_not_filled(backend, monkeypatch):
    box = await backend.start(WORLD, name="a", limits=Limits())
    assert (await box.run(FILL.format(30, 1))).exit_code == 0
    asked, free = [], quota_disk.RESERVE + 50 * MB

    def little(folder):
        asked.append(folder)
        return free

    monkeypatch.setattr(quota_disk, "_free", little)
    await wait_until_async(lambda: len(asked) > 2, "the host's disk was looked at")
    free = quota_disk.RESERVE  # others took the rest
    await wait_until_async(lambda: len(asked) > 6, "and again")
    with pytest.raises(DiskFull, match="is full .*free some space"):
        await box.run(FILL.format(100, 2))
    assert (await box.run("rm -f /tmp/filled2; wc -c </tmp/filled1")).output == f"{30 * MB}\n"
    with pytest.raises(DiskFull):
        await backend.start(WORLD, name="b", limits=Limits())
    free = quota_disk.RESERVE + (1 << 40)
    asked.clear()
    await wait_until_async(lambda: len(asked) > 2, "there is room again")
    assert (await box.run(FILL.format(100, 2))).exit_code == 0


async def test_a_disk_that_others_filled_is_a_sentence_and_a_new_one_is_made_later(
    possible, tmp_path, monkeypatch
):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(small)], check=True)
    monkeypatch.setattr(quota_disk, "RESERVE", 0)
    monkeypatch.setattr(quota_disk, "SMALLEST", 0)
    monkeypatch.setattr(QuotaDisk, "room", lambda disk: 1 << 40)  # nobody looks: others are faster
    backend = OverlayBackend("full", small / "state")
    try:
        box = await backend.start(WORLD, name="a", limits=Limits())
        other = small / "others"
        with contextlib.suppress(OSError):
            other.write_bytes(bytes(400 * MB))
        with pytest.raises(DiskFull, match="was full.*free some space"):
            while True:  # until what was written is to reach the disk
                await box.run(f"{FILL.format(100, 1)}; sync /tmp/filled1; false")
        with pytest.raises(DiskFull):
            await backend.start(WORLD, name="b", limits=Limits())
        other.unlink()
        await box.close()
        again = await backend.start(WORLD, name="c", limits=Limits())
        assert (await again.run(f"{FILL.format(100, 1)}; sync /tmp/filled1")).exit_code == 0
    finally:
        await backend.close()
        await gone(tmp_path)
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    ("what", "replacement", "words"),
    [
        ("shutil.which", lambda program, path: None, "apt-get install btrfs-progs"),
        ("os.geteuid", lambda: 1000, "only root"),
        ("_free", lambda folder: 0, "less than 2 GB free"),
        ("btrfs._LOOP_GET_FREE", 0x4C7F, "no loop device"),
        ("btrfs._FSOPEN", 100_000, "btrfs cannot be mounted here"),
        ("btrfs._QUOTA_CONTROL", 0xC01094FF, "btrfs has no quotas here"),
    ],
)
def test_where_there_is_none_it_is_said_why(possible, tmp_path, monkeypatch, what, replacement, words):
    monkeypatch.setattr(f"sandbox.quota_disk.{what}", replacement)
    with pytest.raises(Unavailable, match=words):
        QuotaDisk.create(tmp_path)
    monkeypatch.undo()
    wait_until(lambda: not left_below(tmp_path), "nothing is left")
    assert not (tmp_path / "disk").exists()


async def test_then_files_are_counted_and_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(quota_disk.shutil, "which", lambda program, path: None)
    backend = OverlayBackend("counted", tmp_path / "state")
    box = await backend.start(WORLD, name="a", limits=SMALL)
    (line,) = [line for line in await backend.lacks() if "disk space" in line]
    assert "btrfs-progs" in line or "only root" in line
    assert (await box.run(f"{FILL.format(19, 1)}; {FILL.format(19, 2)}")).ended == "disk"
    await backend.close()


async def test_the_older_quotas_hold_too(backend, tmp_path, monkeypatch):
    """Kernels before 6.7 have no simple ones."""
    monkeypatch.setattr(quota_disk.btrfs, "_QUOTA_ENABLE_SIMPLE", 99)
    older = OverlayBackend("older", tmp_path / "state")
    box = await older.start(WORLD, name="a", limits=SMALL)
    assert (await box.run(FILL.format(15, 1))).exit_code == 0
    copy = await box.copy("b")
    assert (await copy.run(FILL.format(15, 2))).exit_code == 0
    assert (await copy.run(f"{FILL.format(15, 3)}; sleep 60")).ended == "disk"
    await older.close()
