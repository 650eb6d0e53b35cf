"""What a container wrote, on the real engine: its layer, its volumes, what the engine shows it of /etc."""

import dataclasses

import pytest
from waiting import PATIENCE

from sandbox import Limits, SandboxError, World, docker_disk
from sandbox.docker_container import lacks
from sandbox.docker_disk import ContainerFiles, quota
from sandbox.protocol import CannotStart, Image, RootFs

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("hardening")]
MB = 1 << 20
LIMITS = Limits(memory=256 * MB, disk=20 * MB, timeout=PATIENCE)
FILL = "dd if=/dev/zero of={} bs=64k count={} 2>/dev/null"


@pytest.fixture
async def box(docker_backend, docker_rootfs):
    return await docker_backend.start(World(RootFs(docker_rootfs)), name="disk", limits=LIMITS)


async def test_both_ways_of_counting_agree(box, docker_engine, monkeypatch):
    files = ContainerFiles(docker_engine, box.container, box._line.pid)
    assert files.disk is not None and files.count(None) < MB
    await box.run(FILL.format("/tmp/file", 160))
    counted = files.count(None)
    assert 10 * MB <= counted < 11 * MB
    assert files.count(2 * MB) > 2 * MB
    monkeypatch.setattr(docker_disk.os, "geteuid", lambda: 1000)  # who may not look into the engine's folders
    assert abs(files.count(None) - counted) < MB


async def test_where_the_engine_does_not_tell_the_kernel_does(box, docker_engine):
    files = ContainerFiles(docker_engine, box.container, box._line.pid)
    files._inspected()["GraphDriver"] = None  # as engines say it whose images containerd keeps
    await box.run(FILL.format("/tmp/file", 160))
    assert 10 * MB <= files.count(None) < 11 * MB


async def test_files_that_the_engine_shows_in_etc_count(box):
    result = await box.run(
        "; ".join(FILL.format(f"/etc/{name}", 200) for name in ("hosts", "hostname", "resolv.conf"))
    )
    assert (result.ended, result.exit_code) == ("disk", 137)


async def test_volumes_of_an_image_count(docker_backend, docker_engine, box, run_name):
    made = docker_engine.api.commit(
        box.container,
        "winnow-layer",
        f"volume-{run_name}",
        changes=["VOLUME /data"],
        conf={"Labels": docker_engine.api.inspect_container(box.container)["Config"]["Labels"]},
    )
    image = made["Id"]
    other = await docker_backend.start(World(Image(image)), name="volume", limits=LIMITS)
    result = await other.run("; ".join(FILL.format(f"/data/{number}", 200) for number in range(3)))
    assert (result.ended, result.exit_code) == ("disk", 137)
    await other.close()


async def test_a_container_that_is_gone_is_no_error_of_the_watch(box, docker_engine):
    files = ContainerFiles(docker_engine, box.container, box._line.pid)
    await box.close()
    assert not files.busy()
    with pytest.raises((OSError, SandboxError)):
        files.count(None)


class Engine:
    """What an engine on xfs tells of itself."""

    local = True

    def __init__(self, **info):
        self.info = {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "xfs"]], **info}


def test_a_quota_is_used_where_the_storage_has_one(monkeypatch):
    monkeypatch.setattr(docker_disk, "_mount_options", lambda folder: {"rw", "prjquota"})
    assert quota(Engine())
    assert not any("disk" in line for line in lacks(Engine()))
    assert not quota(Engine(Driver="vfs"))
    assert not quota(Engine(DriverStatus=[["Backing Filesystem", "extfs"]]))
    monkeypatch.setattr(docker_disk, "_mount_options", lambda folder: {"rw"})
    assert not quota(Engine())
    assert any("counted" in line for line in lacks(Engine()))
    elsewhere = Engine()
    elsewhere.local = False
    assert not quota(elsewhere)


async def test_the_engine_is_told_the_quota(docker_backend, docker_engine, docker_rootfs, monkeypatch):
    """Here its storage has none, which the engine says when it is told to use it."""
    if quota(docker_engine):
        pytest.skip("this engine's storage has a quota")
    monkeypatch.setattr("sandbox.docker_container.quota", lambda engine: True)
    with pytest.raises(CannotStart, match="storage-opt"):
        await docker_backend.start(World(RootFs(docker_rootfs)), name="quota", limits=LIMITS)
    unlimited = dataclasses.replace(LIMITS, disk=None)
    await docker_backend.start(World(RootFs(docker_rootfs)), name="none", limits=unlimited)


def test_the_options_of_a_disk_are_found():
    assert {"rw", "ro"} & docker_disk._mount_options(docker_disk.Path("/"))
    assert "rw" in docker_disk._mount_options(docker_disk.Path("/dev/shm/not/there"))
