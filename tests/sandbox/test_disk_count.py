"""Counting what a sandbox wrote, against the ways in which its code could hide it."""

import os
import pwd
import subprocess
import sys
import threading
import time

import pytest

from sandbox import disk_count
from sandbox.disk_count import LEAST, deleted, has_children, processes, written
from sandbox.layers import remove

MB = 1 << 20


def fill(path, size):
    path.write_bytes(b"x" * size)
    return size


def test_blocks_are_counted_and_links_are_not_followed(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    fill(outside / "big", 8 * MB)
    fill(inside / "file", 2 * MB)
    (inside / "folder").symlink_to(outside)
    (inside / "link").symlink_to(outside / "big")
    (inside / "loop").symlink_to(".")
    (inside / "nowhere").symlink_to("/not/there")
    os.link(inside / "file", inside / "second name")
    with open(inside / "sparse", "wb") as sparse:
        sparse.truncate(1 << 40)
    assert 2 * MB <= written([inside]) < 2 * MB + 10 * LEAST
    assert written([tmp_path]) >= 10 * MB
    assert written([tmp_path / "not there"]) == 0
    assert written([inside / "file"]) == pytest.approx(2 * MB, abs=LEAST)


def test_empty_files_are_not_free(tmp_path):
    for number in range(300):
        (tmp_path / str(number)).touch()
    assert written([tmp_path]) >= 300 * LEAST


def test_what_lies_deeper_than_any_path_can_say_is_counted(tmp_path):
    top = at = os.open(tmp_path, os.O_RDONLY)
    name = "n" * 200
    for _ in range(60):  # 12,000 bytes of path
        os.mkdir(name, dir_fd=at)
        at = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
    with os.fdopen(os.open("big", os.O_CREAT | os.O_WRONLY, dir_fd=at), "wb") as file:
        file.write(b"x" * (3 * MB))
    assert written([tmp_path]) >= 3 * MB + 60 * LEAST
    before = set(os.listdir("/proc/self/fd"))
    written([tmp_path])
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0, "descriptors are left open"
    os.close(top)
    subprocess.run(["rm", "-rf", tmp_path / name], check=True)


def test_counting_ends_when_it_is_enough(tmp_path, monkeypatch):
    for folder in range(20):
        (tmp_path / str(folder)).mkdir()
        fill(tmp_path / str(folder) / "file", MB)
    assert 3 * MB < written([tmp_path], 3 * MB) < 6 * MB
    monkeypatch.setattr(disk_count, "CROWD", 10)
    assert written([tmp_path]) > 1 << 60, "more folders than can be kept in mind"


def test_a_tree_that_changes_all_the_time_is_no_error(tmp_path):
    ended = threading.Event()

    def churn():
        while not ended.is_set():
            for number in range(20):
                (tmp_path / f"d{number}/deep").mkdir(parents=True, exist_ok=True)
                fill(tmp_path / f"d{number}/deep/file", 1000)
            subprocess.run(["sh", "-c", "rm -rf d*; ln -s / d1; ln -s /proc d2; rm d1 d2"], cwd=tmp_path)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        fill(tmp_path / "fixed", MB)
        for _ in range(200):
            assert MB <= written([tmp_path]) < 2 * MB
    finally:
        ended.set()
        thread.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: becomes an ordinary user")
def test_an_ordinary_user_sees_into_folders_that_were_made_unreadable(tmp_path):
    nobody = pwd.getpwnam("nobody").pw_uid
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp") and str(folder) != "/tmp":
            folder.chmod(0o755)
    closed = tmp_path / "closed"
    (closed / "deeper").mkdir(parents=True)
    fill(closed / "deeper/big", 3 * MB)
    for path in (tmp_path, closed, closed / "deeper", closed / "deeper/big"):
        os.chown(path, nobody, nobody)
    (closed / "deeper").chmod(0o300)
    closed.chmod(0)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setresuid(nobody, nobody, nobody)
            code = 0 if written([tmp_path]) >= 3 * MB else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert closed.stat().st_mode & 0o777 == 0
    assert (closed / "deeper").stat().st_mode & 0o777 == 0o300


HOLD = """import os, sys, tempfile, mmap
file = tempfile.TemporaryFile(dir=sys.argv[1]); file.write(b"x" * (3 << 20)); file.flush()
again = os.dup(file.fileno())
memory = os.memfd_create("x"); os.write(memory, b"x" * (5 << 20))
print("held", flush=True); sys.stdin.read()"""


def test_deleted_files_that_are_held_open_are_found(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        assert written([tmp_path]) == 0
        assert 3 * MB <= deleted([holder.pid, holder.pid, 2**22 + 1]) < 4 * MB
        assert has_children(os.getpid()) and not has_children(holder.pid)
        assert {holder.pid, os.getpid()} <= set(processes(os.getpid()))
    finally:
        holder.communicate()
    assert (
        processes(holder.pid) == [holder.pid] and not has_children(holder.pid) and deleted([holder.pid]) == 0
    )


HIDE = """import ctypes, mmap, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
os.chdir(sys.argv[1])
def temporary(size):
    file = os.open(".", os.O_RDWR | os.O_TMPFILE)
    os.write(file, b"x" * size)
    return file
mapped = temporary(3 << 20)
assert libc.mmap(None, ctypes.c_size_t(3 << 20), 1, 1, mapped, ctypes.c_long(0)) != ctypes.c_void_p(-1).value
os.close(mapped)
both = temporary(4 << 20)
seen = mmap.mmap(both, 4 << 20)
def in_a_thread():
    assert not libc.unshare(0x400)
    temporary(5 << 20)
    print("hidden", flush=True)
    sys.stdin.read()
threading.Thread(target=in_a_thread).start()"""


def test_files_that_only_a_mapping_or_a_threads_own_table_holds_are_found(tmp_path):
    hider = subprocess.Popen(
        [sys.executable, "-c", HIDE, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert hider.stdout.readline() == b"hidden\n"
        assert 12 * MB <= deleted([hider.pid]) < 13 * MB, "each of them once"
    finally:
        hider.communicate()


def test_an_ordinary_user_is_told_by_mappings_what_they_hold(tmp_path, monkeypatch):
    stat = os.stat

    def refused(path, **options):
        if "map_files" in str(path):
            raise PermissionError
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refused)
    test_files_that_only_a_mapping_or_a_threads_own_table_holds_are_found(tmp_path)


def test_a_tree_a_thousand_folders_deep_is_counted_and_removed(tmp_path):
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("beside", dir_fd=at)
        os.mkdir("n" * 200, dir_fd=at)
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    before = set(os.listdir("/proc/self/fd"))
    assert written([tmp_path]) == 3000 * LEAST
    assert set(os.listdir("/proc/self/fd")) == before, "descriptors are left open"
    remove(tmp_path / ("n" * 200))
    assert os.listdir(tmp_path) == ["beside"]


def test_ten_thousand_files_are_counted_in_a_moment(tmp_path):
    for folder in range(100):
        (tmp_path / str(folder)).mkdir()
        for number in range(100):
            (tmp_path / str(folder) / str(number)).touch()
    began = time.process_time()
    assert written([tmp_path]) >= 10_000 * LEAST
    print(f"{(time.process_time() - began) * 1e3:.1f} ms of CPU for 10,000 files")
