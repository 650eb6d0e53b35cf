"""The mounts of an overlay sandbox: what brings rights or opens devices, and what would lead to the host's files."""

import os
import shutil
import stat

import pytest

from sandbox import HostRoot, Limits, OverlayBackend, Place, RootFs, World

pytestmark = [
    pytest.mark.overlay,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's program, or a device"),
]
SECRET = "the host's own secret"
OTHER = 4321


@pytest.fixture
def dangerous(tmp_path):
    """A folder with another user's program that starts with that user's rights, and a device."""
    folder = tmp_path / "dangerous"
    folder.mkdir()
    shutil.copy(os.path.realpath(shutil.which("id")), folder / "id")
    os.chown(folder / "id", OTHER, OTHER)
    (folder / "id").chmod(0o6755)
    try:
        os.mknod(folder / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no device can be made here")
    (folder / "zero").chmod(0o666)
    return folder


@pytest.fixture
def opened(tmp_path):
    """`opened(*without)` -> a backend whose sandboxes have none of these protections"""
    made = []

    def make(*without):
        made.append(OverlayBackend(f"mounts-{len(made)}", tmp_path / "state", without=without))
        return made[-1]

    yield make
    for backend in made:
        assert backend._owned is None, "it is closed by its test"


@pytest.mark.parametrize("how", ["shown", "placed"])
async def test_no_disk_brings_rights_or_devices(dangerous, opened, how):
    """What else keeps a program from getting rights is taken away: the disk's own word must do."""
    backend = opened("privileges", "seccomp")
    at = str(dangerous) if how == "shown" else "/srv/place"
    world = World(HostRoot(extra=(at,))) if how == "shown" else World(places=(Place(dangerous, at),))
    try:
        sandbox = await backend.start(world, name="rights", limits=Limits())
        assert (await sandbox.run(f"{at}/id -u; {at}/id -g")).output == "0\n0\n"
        seen = await sandbox.run(f"head -c 4 {at}/zero | wc -c")
        assert seen.output.endswith("0\n") and "denied" in seen.output, seen.output
    finally:
        await backend.close()


async def test_the_hosts_root_is_gone(tmp_path, opened):
    """The old root was mounted where the new one is, and a way up from there would be one to it."""
    (tmp_path / "secret").write_text(SECRET)
    tmp_path.chmod(0o755)
    backend = opened("ids", "capabilities", "seccomp")
    try:
        sandbox = await backend.start(World(), name="root", limits=Limits())
        places = [
            f"{up}{tmp_path}/secret" for up in ("", "/..", "/../..", "/proc/1/root", "/proc/self/root/..")
        ]
        seen = await sandbox.run(
            f"cat {' '.join(places)}; cut -d' ' -f5 /proc/self/mountinfo | grep -c '^/$'"
        )
        assert SECRET not in seen.output and seen.output.endswith("\n1\n"), seen.output
    finally:
        await backend.close()


def linked_file(etc, secret):
    (etc / "resolv.conf").symlink_to(secret)
    (etc / "hosts").symlink_to(secret)


def linked_folder(etc, secret):
    """The image's /etc is a link; a command makes a folder of it."""
    etc.rmdir()
    secret.parent.joinpath("resolv.conf").write_text(SECRET)
    etc.symlink_to(secret.parent)


def pipes(etc, secret):
    os.mkfifo(etc / "resolv.conf")
    os.mkfifo(etc / "hosts")


@pytest.mark.parametrize("attack", [linked_file, linked_folder, pipes])
async def test_names_of_hosts_are_no_way_to_a_file_of_the_host(tmp_path, docker_rootfs, opened, attack):
    """A change of network has the image's own resolv.conf and hosts put back, with the launcher's rights."""
    secret, root = tmp_path / "secrets/secret", tmp_path / "root"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    shutil.copytree(docker_rootfs, root, symlinks=True)
    for file in (root / "etc").iterdir():
        file.unlink()
    attack(root / "etc", secret)
    backend = opened()
    try:
        sandbox = await backend.start(World(RootFs(root)), name="names", limits=Limits())
        if attack is linked_folder:
            assert (await sandbox.run("rm /etc && mkdir /etc")).exit_code == 0
        copy = await sandbox.copy("named", network="host")
        back = await copy.copy("again", network="none")
        seen = await back.run("for name in resolv.conf hosts; do [ ! -f /etc/$name ] || cat /etc/$name; done")
        assert SECRET not in seen.output
    finally:
        await backend.close()


async def test_an_image_gets_its_own_names_of_hosts_back(tmp_path, docker_rootfs, opened):
    root = tmp_path / "root"
    shutil.copytree(docker_rootfs, root, symlinks=True)
    (root / "etc/hosts").write_text("127.0.0.1 of-the-image\n")
    (root / "etc/resolv.conf").symlink_to("/run/stub")
    backend = opened()
    try:
        sandbox = await backend.start(World(RootFs(root), network="host"), name="names", limits=Limits())
        assert "of-the-image" not in (await sandbox.run("cat /etc/hosts")).output
        copy = await sandbox.copy("back", network="none")
        seen = await copy.run("cat /etc/hosts; ls -l /etc/resolv.conf")
        assert "of-the-image" in seen.output and seen.output.endswith("-> /run/stub\n")
    finally:
        await backend.close()
