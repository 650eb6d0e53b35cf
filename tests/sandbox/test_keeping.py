"""What is kept of images: the record, holds across processes, pruning by least recent use on the real engine."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time

import pytest
from waiting import PATIENCE

from sandbox import Limits, World, clean
from sandbox.docker_engine import DockerBackend
from sandbox.image_facts import describe
from sandbox.images import Images
from sandbox.importing import import_rootfs
from sandbox.keeping import Holds, Kept, alone, entries, forget
from sandbox.leftovers import clean_overlay
from sandbox.protocol import CannotStart, Dockerfile, Image, RootFs
from sandbox.pruning import list_images, prune_images
from sandbox.unpacking import UNPACKED, unpacked_folder

HOLDER = """
import sys
from pathlib import Path
from sandbox.leftovers import clean_overlay
from sandbox.keeping import Holds, Kept
kept = Kept("unpacked", "img", sys.argv[2], "", "", 10, "theirs")
holds = Holds(Path(sys.argv[1]))
holds.hold(kept)
holds.record(kept)
print("held", flush=True)
input()
"""


def unpacked(state, image, size=10, used=None, run="r"):
    """A record with its folder, as `Images.unpacked` leaves them."""
    kept = Kept("unpacked", f"name of {image}", f"sha256:{image}", "", "", size, run)
    folder = unpacked_folder(state, kept.image)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/sh").write_text("x")
    (folder / "closed").mkdir(mode=0)
    holds = Holds(state)
    holds.hold(kept)
    holds.record(kept)
    holds.release()
    if used is not None:
        os.utime(state / ".images" / f"{kept.key}.json", (used, used))
    return kept


def names(state):
    return sorted(os.listdir(state / UNPACKED))


def test_the_least_recently_used_go_first_until_the_rest_fits(tmp_path):
    for number, image in enumerate("cab"):
        unpacked(tmp_path, image, used=1000 + number)
    assert [entry.kept.image for entry in entries(tmp_path)] == ["sha256:c", "sha256:a", "sha256:b"]
    assert prune_images(tmp_path, 30, None) == []
    assert [kept.image for kept in prune_images(tmp_path, 20, None)] == ["sha256:c"]
    assert names(tmp_path) == ["a", "b"]
    holds = Holds(tmp_path)  # a use makes it the last to go
    kept = entries(tmp_path)[0].kept
    holds.hold(kept)
    holds.record(kept)
    holds.release()
    assert [kept.image for kept in prune_images(tmp_path, 19, None)] == ["sha256:b"]
    assert [kept.image for kept in prune_images(tmp_path, 0, None)] == ["sha256:a"]
    assert names(tmp_path) == [] and entries(tmp_path) == [] and list((tmp_path / ".images").iterdir()) == []


@pytest.mark.parametrize("killed", [False, True])
def test_what_another_process_holds_stays_until_it_ends(tmp_path, killed):
    unpacked(tmp_path, "x", used=1)
    unpacked(tmp_path, "y", used=2)
    words = [sys.executable, "-c", HOLDER, str(tmp_path), "sha256:x"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert {entry.kept.image: entry.held for entry in entries(tmp_path)} == {
            "sha256:x": True,
            "sha256:y": False,
        }
        assert [kept.image for kept in prune_images(tmp_path, 0, None)] == ["sha256:y"]
        assert names(tmp_path) == ["x"]
        if killed:
            holder.kill()
            holder.wait()
        else:
            holder.communicate(b"\n")
    assert [kept.run for kept in prune_images(tmp_path, 0, None)] == ["theirs"]


def test_who_wants_what_is_being_pruned_waits_and_sees_that_it_is_gone(tmp_path):
    kept = unpacked(tmp_path, "x")
    holds, waited = Holds(tmp_path), threading.Event()

    def want():
        holds.hold(kept)
        waited.set()

    with alone(tmp_path, kept) as free:
        assert free
        worker = threading.Thread(target=want)
        worker.start()
        assert not waited.wait(0.2)
        forget(tmp_path, kept)
    worker.join(PATIENCE)
    assert waited.is_set() and not holds.known(kept)
    with alone(tmp_path, kept) as free:
        assert not free, "its lock is the one that others meet"
    holds.release()


def test_many_holds_from_threads_are_one_and_release_lets_go_of_all(tmp_path):
    kept = unpacked(tmp_path, "x")
    holds = Holds(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    workers = [threading.Thread(target=holds.hold, args=(kept,)) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    holds.release()
    holds.release()
    assert len(os.listdir("/proc/self/fd")) == before and not entries(tmp_path)[0].held


def test_a_broken_record_and_a_folder_that_is_gone_harm_nobody(tmp_path):
    unpacked(tmp_path, "x")
    (tmp_path / ".images/broken.json").write_text('{"kind": ')
    (tmp_path / ".images/other.json").write_text('{"of": "another version"}')
    gone = unpacked(tmp_path, "gone")
    unpacked_folder(tmp_path, gone.image).joinpath("closed").chmod(0o700)
    shutil.rmtree(unpacked_folder(tmp_path, gone.image))
    assert [entry.kept.image for entry in list_images(tmp_path, None)] == ["sha256:x"]
    assert len(prune_images(tmp_path, 0, None)) == 1


def test_a_state_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart):
        Holds(tmp_path / "file").hold(Kept("unpacked", "x", "x", "", "", 1, "r"))


@pytest.fixture
def made(docker_engine, docker_rootfs, tmp_path):
    """Makes the root of an image that is like no other, by import and by build."""
    fresh = tmp_path / "root"
    shutil.copytree(docker_rootfs, fresh, symlinks=True)
    (fresh / "unique").write_text(secrets.token_hex(8))
    return RootFs(fresh)


def dockerfile(folder, base):
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY mark /mark\n")
    (folder / "mark").write_text(secrets.token_hex(8))
    return Dockerfile(folder / "Dockerfile", folder, network="none")


@pytest.mark.docker
def test_what_was_built_and_imported_is_recorded_held_and_pruned(docker_engine, made, tmp_path):
    state = tmp_path / "state"
    images = Images("run-1", state)
    imported = images.ready(docker_engine, made)
    docker_engine.api.tag(imported.id, "winnow-keep-base", "1")
    file = dockerfile(tmp_path / "ctx", "winnow-keep-base:1")
    built = images.ready(docker_engine, file)
    folder, _facts = images.unpacked(docker_engine, file)
    assert (folder / "mark").read_text() == (tmp_path / "ctx/mark").read_text()
    listed = {(entry.kept.kind, entry.kept.name, entry.held) for entry in list_images(state, docker_engine)}
    assert listed == {
        ("imported", str(made.folder), True),
        ("built", str(file.file), True),
        ("unpacked", str(file.file), True),
    }
    assert prune_images(state, 0, docker_engine) == [], "this run lives"
    images.close()
    docker_engine.api.remove_image("winnow-keep-base:1", noprune=True)
    gone = prune_images(state, 0, docker_engine)
    assert sorted(kept.kind for kept in gone) == ["built", "imported", "unpacked"]
    assert describe(docker_engine, built.id) is None and describe(docker_engine, imported.id) is None
    assert not folder.exists() and list_images(state, docker_engine) == []


@pytest.mark.docker
def test_an_image_with_a_name_of_the_users_or_a_container_stays(docker_engine, made, tmp_path):
    state, api = tmp_path / "state", docker_engine.api
    with Images("run-1", state) as images:
        facts = images.ready(docker_engine, made)
    container = api.create_container(facts.id, command=["/bin/sh"])["Id"]
    try:
        assert prune_images(state, 0, docker_engine) == []
        assert describe(docker_engine, facts.id).tags == facts.tags
    finally:
        api.remove_container(container)
    api.tag(facts.id, "winnow-keep-users", "1")
    try:
        assert len(prune_images(state, 0, docker_engine)) == 1
        assert describe(docker_engine, facts.id).tags == ("winnow-keep-users:1",), "only our name went"
    finally:
        api.remove_image("winnow-keep-users:1")
    assert describe(docker_engine, facts.id) is None


@pytest.mark.docker
def test_an_image_that_was_there_before_is_neither_listed_nor_removed(docker_engine, made, tmp_path):
    image = import_rootfs(docker_engine, made.folder)
    docker_engine.api.tag(image, "winnow-keep-mine", "1")
    try:
        with Images("run-1", tmp_path / "state") as images:
            images.ready(docker_engine, Image("winnow-keep-mine:1"))
        assert list_images(tmp_path / "state", docker_engine) == []
        prune_images(tmp_path / "state", 0, docker_engine)
        assert describe(docker_engine, "winnow-keep-mine:1") is not None
    finally:
        docker_engine.api.remove_image("winnow-keep-mine:1", noprune=True)


@pytest.mark.docker
def test_images_that_others_pruned_between_are_made_again(docker_engine, made, tmp_path):
    state = tmp_path / "state"
    with Images("run-1", state) as images:
        first = images.ready(docker_engine, made)
    assert len(prune_images(state, 0, docker_engine)) == 1
    with Images("run-2", state) as images:
        assert describe(docker_engine, images.ready(docker_engine, made).id) is not None
        assert [entry.kept.run for entry in list_images(state, docker_engine)] == ["run-2"]
    prune_images(state, 0, docker_engine)
    assert describe(docker_engine, first.id) is None


@pytest.mark.docker
def test_pruners_and_users_at_once_never_meet(docker_engine, made, tmp_path):
    """Runs come and go while somebody prunes all the time: whoever was handed a folder keeps it while it lives."""
    state, over, failures = tmp_path / "state", threading.Event(), []
    docker_engine.api.tag(Images("r").ready(docker_engine, made).id, "winnow-keep-busy", "1")
    root = Image("winnow-keep-busy:1")

    def use(number):
        for turn in range(4):
            with Images(f"run-{number}", state) as images:
                folder, _facts = images.unpacked(docker_engine, root)
                time.sleep(0.02 * turn)
                if not (folder / "unique").is_file():
                    failures.append(folder)

    def prune():
        while not over.is_set():
            prune_images(state, 0, docker_engine)

    users = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    pruner = threading.Thread(target=prune)
    for thread in (*users, pruner):
        thread.start()
    for user in users:
        user.join()
    over.set()
    pruner.join()
    try:
        assert not failures
        prune_images(state, 0, docker_engine)
        assert names(state) == [], "no half of one either"
    finally:
        docker_engine.api.remove_image("winnow-keep-busy:1", noprune=True)


@pytest.mark.docker
@pytest.mark.xdist_group("clean")
async def test_a_backend_holds_what_it_uses_and_cleaning_leaves_it(docker_engine, made, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    backend = DockerBackend(f"test{secrets.token_hex(4)}", state=state)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(backend.close)
        box = await backend.start(World(made), name="held", limits=Limits(memory=256 << 20, processes=64))
        assert prune_images(state, 0, docker_engine) == [] and list_images(state, docker_engine)[0].held
        clean(state)
        assert (await box.run("cat /unique")).exit_code == 0
    assert len(prune_images(state, 0, docker_engine)) == 1


def test_an_image_with_a_file_as_runs_have_one_is_no_leftover(tmp_path):
    kept = unpacked(tmp_path, "x")
    (unpacked_folder(tmp_path, kept.image) / "owner").write_text("1")
    assert clean_overlay(tmp_path) == [] and names(tmp_path) == ["x"]
