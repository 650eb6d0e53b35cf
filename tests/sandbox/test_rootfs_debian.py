"""docker/rootfs-debian.sh: a root file system by debootstrap from apt's own mirror, whole or not at all."""

import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from programs import program_path

from sandbox import Limits, Place, World
from sandbox.importing import check_rootfs
from sandbox.protocol import RootFs

SCRIPT = Path(__file__).parents[2] / "docker/rootfs-debian.sh"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap needs root")


def run(*words, path="", **env):
    """The script, with these folders before the PATH."""
    where = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("WINNOW_")}, "PATH": where, **env}
    return subprocess.run(["sh", SCRIPT, *map(str, words)], env=env, capture_output=True, text=True)


def shims(folder, debootstrap, targets=""):
    """A debootstrap and an apt of our own, for what is between them."""
    folder.mkdir()
    for name, text in (("debootstrap", debootstrap), ("apt-get", f"cat <<'END'\n{targets}END\n")):
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    return folder


def left(folder):
    return sorted(os.listdir(folder))


@as_root
def test_what_is_wrong_is_said_and_nothing_is_made(tmp_path):
    (tmp_path / "there").mkdir()
    path = shims(tmp_path / "bin", "exit 0\n")
    for words, said in (((), "say what and where"), (("bookworm", tmp_path / "there"), "is there already")):
        done = run(*words, path=path)
        assert done.returncode == 1 and said in done.stderr
    done = run("bookworm", tmp_path / "new", path=path)
    assert done.returncode == 1 and "apt knows no mirror" in done.stderr
    assert left(tmp_path) == ["bin", "there"]


@as_root
def test_the_mirror_is_apts_own_the_one_with_the_suite_first(tmp_path):
    targets = "stable contrib http://none.invalid/\nstable main http://one.invalid/\ntrixie main http://two.invalid/\n"
    path = shims(
        tmp_path / "bin",
        f'echo "$@" >{tmp_path}/said; mkdir -p "$4/usr/bin"; : >"$4/usr/bin/python3"\n',
        targets,
    )
    for suite, mirror in (("trixie", "http://two.invalid/"), ("sid", "http://one.invalid/")):
        done = run(suite, tmp_path / suite, "gcc", "libffi-dev", path=path)
        assert done.returncode == 0, done.stderr
        words = (tmp_path / "said").read_text().split()
        assert words[:2] == [
            "--variant=minbase",
            "--include=python3,python3-pip,python3-venv,git,ca-certificates,gcc,libffi-dev",
        ]
        assert words[2] == suite and words[4] == mirror
        assert os.readlink(tmp_path / suite / "usr/bin/python") == "python3"
    path = shims(tmp_path / "bin2", f'echo "$@" >{tmp_path}/said; mkdir -p "$3/bin"\n', targets)
    done = run(
        "x", tmp_path / "x", path=path, WINNOW_ROOTFS_PACKAGES="", WINNOW_ROOTFS_MIRROR="http://three.invalid"
    )
    words = (tmp_path / "said").read_text().split()
    assert (
        done.returncode == 0
        and words[:2] == ["--variant=minbase", "x"]
        and words[3] == "http://three.invalid"
    )


@as_root
def test_a_debootstrap_that_fails_leaves_nothing(tmp_path):
    path = shims(tmp_path / "bin", 'mkdir -p "$4/half"; exit 1\n', "x main http://one.invalid/\n")
    done = run("x", tmp_path / "new", path=path)
    assert done.returncode == 1 and "debootstrap failed" in done.stderr
    assert left(tmp_path) == ["bin"]


def mirror():
    """(suite, address) of this machine's own apt, where it is Debian's and can be reached."""
    if program_path("debootstrap") is None or program_path("apt-get") is None:
        return None
    told = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(CODENAME) $(COMPONENT) $(REPO_URI)",
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
    ).stdout
    for suite, component, address in (line.split() for line in told.splitlines() if line.count(" ") == 2):
        if (
            component != "main"
            or "-" in suite
            or not Path(f"/usr/share/debootstrap/scripts/{suite}").exists()
        ):
            continue
        try:
            with urllib.request.urlopen(f"{address.rstrip('/')}/dists/{suite}/Release", timeout=10):
                return suite, address
        except OSError:
            continue
    return None


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """A Debian of this machine's own suite, without Python: about half a minute."""
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    found = mirror()
    if found is None:
        pytest.skip("no debootstrap, or no mirror of apt's that can be reached")
    folder = tmp_path_factory.mktemp("debian") / "root"
    done = run(found[0], folder, WINNOW_ROOTFS_PACKAGES="")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    yield folder
    shutil.rmtree(folder)


async def commands(backend, debian, source):
    """What a sandbox of either kind shows of the root file system and of a place in it."""
    world = World(RootFs(debian), (Place(source, "/srv/work"),), "/srv/work")
    box = await backend.start(world, name="debian", limits=Limits(memory=512 << 20, processes=64))
    seen = await box.run(
        "cat file; . /etc/os-release; echo $ID; bash -c 'echo ${BASH_VERSION%%.*}'; perl -e 'print 6 * 7, \"\\n\"'"
        "; echo new >/usr/made; cat /usr/made || echo read-only"
    )
    assert (
        seen.exit_code == 0 and seen.output.split()[:2] == ["mine", "debian"] and "42" in seen.output.split()
    )
    copy = await box.copy("again")
    assert (await copy.run("cat file")).output == "mine\n"
    assert not (debian / "usr/made").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)  # debootstrap takes what the mirror and the disk take
@pytest.mark.overlay
@pytest.mark.xdist_group("debian")
async def test_debian_in_an_overlay_sandbox(debian, tmp_path):
    from sandbox.overlay import OverlayBackend

    check_rootfs(debian)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/file").write_text("mine\n")
    backend = OverlayBackend("debian", tmp_path / "state")
    try:
        await commands(backend, debian, tmp_path / "src")
    finally:
        await backend.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.docker
@pytest.mark.xdist_group("debian")
async def test_debian_imported_into_docker(debian, docker_backend, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/file").write_text("mine\n")
    await commands(docker_backend, debian, tmp_path / "src")
