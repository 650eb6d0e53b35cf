"""Images on the real engine: built, imported, unpacked, refused; places over what an image holds already."""

import asyncio
import dataclasses
import io
import os
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from waiting import PATIENCE

from sandbox import Limits, Place, World
from sandbox.building import build
from sandbox.extraction import Terms, extract
from sandbox.image_facts import describe
from sandbox.images import Images
from sandbox.importing import import_rootfs
from sandbox.owner import owner_label
from sandbox.protocol import CannotStart, DiskFull, Dockerfile, Image, RootFs, WrongRoot
from sandbox.pulling import PullRules
from sandbox.tarballs import add_tree, fingerprint, streamed
from sandbox.unpacking import HALF, UNPACKED, clean_half_unpacked, unpack

SMALL = Limits(memory=256 << 20, processes=64, timeout=PATIENCE)
docker = pytest.mark.docker


@pytest.fixture
def base_image(docker_engine, docker_rootfs, run_name):
    """A name that `FROM` can say."""
    image = import_rootfs(docker_engine, docker_rootfs)
    docker_engine.api.tag(image, "winnow-base", run_name)
    yield f"winnow-base:{run_name}"
    docker_engine.api.remove_image(f"winnow-base:{run_name}", noprune=True)


def dockerfile(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(text)
    return Dockerfile(folder / "Dockerfile", folder, network="none")


@docker
async def test_a_dockerfile_is_built_once_and_its_user_and_path_are_kept(
    docker_backend, docker_engine, base_image, tmp_path
):
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx/data").write_text("from the context")
    file = dockerfile(
        tmp_path / "ctx",
        f"FROM {base_image}\nCOPY data /data\nRUN mkdir /made\nENV PATH=/made:/bin HOME=/made\nUSER app:other\n",
    )
    said = []
    first = build(docker_engine, file, said.append)
    assert any("Step 2" in line for line in said)
    assert build(docker_engine, file) == first
    (tmp_path / "src").mkdir()
    (tmp_path / "src/mine").write_text("x")
    world = World(file, (Place(tmp_path / "src", "/srv/work"),), "/srv/work")
    box = await docker_backend.start(world, name="built", limits=SMALL)
    seen = await box.run(
        "id -u; id -g; echo $PATH; echo $HOME; cat /data; echo y >>mine && cat mine; echo >/made/z || echo no"
    )
    assert seen.output.split("\n")[:5] == ["1234", "77", "/made:/bin", "/made", "from the contextxy"]
    assert seen.output.endswith("no\n")
    assert (await (await box.copy("again")).run("id -u; cat mine")).output == "1234\nxy\n"


@docker
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("FROM {base}\nRUN echo about to fail; exit 3\n", "about to fail"),
        ("FROM {base}\nNONSENSE\n", "NONSENSE"),
        ("FROM {base}\nCOPY not-there /\n", "not-there"),
    ],
)
def test_a_build_that_fails_says_where(docker_engine, base_image, tmp_path, text, word):
    with pytest.raises(WrongRoot, match=word):
        build(docker_engine, dockerfile(tmp_path / "ctx", text.format(base=base_image)))


@docker
def test_a_missing_dockerfile_is_a_sentence(docker_engine, tmp_path):
    with pytest.raises(WrongRoot, match="no Dockerfile"):
        build(docker_engine, Dockerfile(tmp_path / "nope", tmp_path))


@docker
def test_an_image_that_cannot_be_pulled_is_one_sentence(docker_engine, run_name):
    images = Images(run_name, rules=PullRules(tries=2, pause=0.01))
    with socket.socket() as held:  # bound, not listening: nobody else can take the port
        held.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{held.getsockname()[1]}/nobody/nothing:1"
        with pytest.raises(CannotStart) as said:
            images.ready(docker_engine, Image(name))
    assert name in str(said.value) and "\n" not in str(said.value)
    assert not isinstance(said.value, WrongRoot), "a registry that is not there is no fault of the user's"
    with pytest.raises(WrongRoot, match="no name of an image"):
        images.ready(docker_engine, Image("Not A Name"))


@docker
def test_a_root_file_system_is_imported_once_per_state(docker_engine, docker_rootfs, tmp_path):
    copy = tmp_path / "root"
    shutil.copytree(docker_rootfs, copy, symlinks=True)
    first = import_rootfs(docker_engine, copy)
    assert import_rootfs(docker_engine, copy) == first
    (copy / "etc/new").write_text("x")
    second = import_rootfs(docker_engine, copy)
    assert second != first
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(WrongRoot):
            import_rootfs(docker_engine, wrong)


@docker
async def test_a_place_over_an_images_checkout(docker_backend, docker_rootfs, tmp_path):
    source = tmp_path / "repo"
    (source / ".git").mkdir(parents=True)
    (source / ".git/config").write_text("ours")
    (source / "code.py").write_text("new")
    (source / "closed").write_text("secret")
    (source / "closed").chmod(0o600)
    os.link(source / "code.py", source / "hard")
    (source / "a b\n'c").write_text("odd name")
    (source / os.fsdecode(b"\xff\xfe")).write_text("no UTF-8")
    box = await docker_backend.start(
        World(RootFs(docker_rootfs), (Place(source, "/testbed"),), "/testbed"), name="over", limits=SMALL
    )
    seen = await box.run(
        "ls -A .git; cat code.py built.so; stat -c ' %a %h' closed hard; cat a*; cat $(printf '\\377\\376')"
    )
    assert seen.output == "config\nnewbuilt 600 1\n 644 2\nodd nameno UTF-8"


@docker
async def test_an_image_by_name_in_a_world(docker_backend, base_image):
    box = await docker_backend.start(World(Image(base_image)), name="named", limits=SMALL)
    assert (await box.run("cat /testbed/code.py")).output == "old"
    for source, target in (("/nonexistent/folder", "/x"), ("/usr", "x"), ("/usr", "/proc/x"), ("/usr", "/")):
        with pytest.raises(CannotStart):
            world = World(Image(base_image), (Place(Path(source), target),))
            await docker_backend.start(world, name="no", limits=SMALL)


@docker
async def test_an_image_is_unpacked_once_and_whole(docker_engine, base_image, tmp_path):
    state = tmp_path / "state"
    facts = describe(docker_engine, base_image)
    one, two = await asyncio.gather(
        *(asyncio.to_thread(unpack, docker_engine, facts, state) for _ in range(2))
    )
    assert one == two and one.name == facts.id.partition(":")[2]
    assert os.listdir(state / UNPACKED) == [one.name], "nothing half-made stays"
    assert (one / "testbed/.git/HEAD").read_text() == "the image's own history"
    assert stat.S_IMODE((one / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700, "setuid programs are for sandboxes"
    assert os.access(one / "bin/sh", os.X_OK)
    mine = {"label": [f"winnow.owner={owner_label()}", "winnow.kind=scratch"]}
    assert docker_engine.api.containers(all=True, filters=mine) == []


@docker
def test_an_image_that_does_not_fit_is_not_unpacked(docker_engine, base_image, tmp_path):
    facts = dataclasses.replace(describe(docker_engine, base_image), size=10**18)
    with pytest.raises(DiskFull, match="free"):
        unpack(docker_engine, facts, tmp_path / "state")
    assert os.listdir(tmp_path / "state" / UNPACKED) == []


def test_what_a_killed_unpacking_left_is_cleaned_and_a_living_ones_is_not(tmp_path):
    held = (
        "import os, fcntl, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), 2); print(flush=True); input()"
    )
    state, tmp_path = tmp_path, tmp_path / UNPACKED
    (tmp_path / f"{HALF}dead/closed").mkdir(parents=True)
    (tmp_path / f"{HALF}dead/closed").chmod(0)
    (tmp_path / f"{HALF}alive").mkdir()
    (tmp_path / "a-run").mkdir()
    words = [sys.executable, "-c", held, str(tmp_path / f"{HALF}alive")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        owner.stdout.readline()
        clean_half_unpacked(state)
        assert sorted(os.listdir(tmp_path)) == [f"{HALF}alive", "a-run"]
        owner.communicate(b"\n")
    clean_half_unpacked(state)
    assert os.listdir(tmp_path) == ["a-run"]


def archive(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            member.size = 4 if kind == tarfile.REGTYPE else 0
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(b"evil") if member.size else None)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    "members",
    [
        [("../out", tarfile.REGTYPE, "")],
        [("a", tarfile.SYMTYPE, "{out}"), ("a/f", tarfile.REGTYPE, "")],
        [("a", tarfile.SYMTYPE, "{out}/f"), ("a", tarfile.REGTYPE, "")],
        [("a", tarfile.SYMTYPE, "{out}"), ("a/d", tarfile.DIRTYPE, "")],
        [("a", tarfile.SYMTYPE, "{out}"), ("b", tarfile.LNKTYPE, "a/victim")],
        [("b", tarfile.LNKTYPE, "../victim")],
    ],
)
def test_an_archive_cannot_write_or_reach_outside(tmp_path, members):
    out = tmp_path / "out"
    out.mkdir()
    (out / "victim").write_text("safe")
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "in").mkdir()
    named = [(name, kind, link.format(out=out)) for name, kind, link in members]
    with pytest.raises(CannotStart):
        extract(archive(*named), tmp_path / "in", Terms(owners=True))
    assert sorted(os.listdir(out)) == ["victim"] and (out / "victim").stat().st_nlink == 1
    assert (
        sorted(os.listdir(tmp_path)) == ["in", "out", "victim"] and (tmp_path / "victim").stat().st_nlink == 1
    )


def test_an_absolute_link_and_closed_folders_are_unpacked_as_they_are(tmp_path):
    made = archive(
        ("d", tarfile.DIRTYPE, ""), ("d/f", tarfile.REGTYPE, ""), ("l", tarfile.SYMTYPE, "/etc/passwd")
    )
    extract(made, tmp_path, Terms(owners=True))
    assert os.readlink(tmp_path / "l") == "/etc/passwd" and (tmp_path / "d/f").read_text() == "evil"


def test_a_fingerprint_notices_what_changes(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("one")
    seen = {fingerprint(tmp_path)}
    (tmp_path / "d/f").write_text("two")
    seen.add(fingerprint(tmp_path))
    (tmp_path / "d/f").chmod(0o600)
    seen.add(fingerprint(tmp_path))
    (tmp_path / "d/l").symlink_to("f")
    seen.add(fingerprint(tmp_path))
    (tmp_path / "d/f").rename(tmp_path / "d/g")
    seen.add(fingerprint(tmp_path))
    assert len(seen) == 5 and fingerprint(tmp_path) in seen


def test_what_cannot_be_packed_is_a_sentence_and_a_reader_that_gives_up_does_not_hang(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 1_000_000)
    with pytest.raises(RuntimeError), streamed(lambda tar: add_tree(tar, tmp_path, "/x")) as stream:
        stream.read(10)
        raise RuntimeError
    with pytest.raises(CannotStart), streamed(lambda tar: add_tree(tar, tmp_path / "gone", "/x")) as stream:
        stream.read()
