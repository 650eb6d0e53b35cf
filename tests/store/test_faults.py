"""Kills, full disks, and files that are no store: nothing written is lost, and one sentence says what to do."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE, wait_until

from store import Key, Part, StoreError, open_store

ASKED = (Part("command", "true"),)
MIB = 1024 * 1024


def check(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_kill_9_loses_nothing_that_was_written(store, file, child):
    """A stream of appends, killed after so many lines, again and again, each time going on where it was."""
    told: set[str] = set()
    for lines in (1, 7, 40, 150, 400):
        process = child("append", file, "task")
        told.update(process.stdout.readline().strip() for _ in range(lines))
        process.kill()
        rest, errors = process.communicate()
        assert errors == ""
        told.update(line.strip() for line in rest.splitlines(keepends=True) if line.endswith("\n"))
        check(file)
        steps = {str(step.key): step for step in store.steps("run-1", "task")}
        assert told <= steps.keys()
        for name, step in steps.items():
            assert step.answer == f'"{name}"'
            assert [part.text.split()[2] for part in store.texts(step)] == list(
                map(str, range(step.key.index + 1))
            )
    assert len(told) >= 400
    with store.lease("run-1"):
        assert store.journal("run-1", "task").has("attempt-0")


def fill(process, *, make_room=lambda: None) -> tuple[int, str, str]:
    """(steps written before the disk was full, the sentence, what was in the store after one more step)."""
    written, _, sentence = process.stdout.readline().strip().partition(" ")
    make_room()
    after, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert errors == ""
    return int(written), sentence, after.strip()


def test_a_limit_on_file_size(store, file, child):
    written, sentence, after = fill(child("fill", file, 2 * MIB))
    assert written > 100
    assert "file size" in sentence and "is kept" in sentence
    assert after == str(written + 1)
    assert len(list(store.steps("run-1"))) == written + 1
    check(file)


def test_a_full_disk(tmp_path, child, own_mounts):
    """A real one of 3 MB; then a file on it is removed and the store goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"""
        mount -t tmpfs -o size=3m tmpfs "{disk}" || exit 1
        head -c 500000 /dev/zero > "{disk}/ballast"
        "$1" "$2" create "{disk}/winnow.db" > "{tmp_path}/created"
        (while [ ! -e "{tmp_path}/room" ] && kill -0 $$; do sleep 0.1; done
         rm "{disk}/ballast"; touch "{tmp_path}/made") >/dev/null 2>&1 &
        exec "$@"
    """
    process = child("fill", disk / "winnow.db", "none", wrap=(*own_mounts, "sh", "-c", script, "sh"))

    def make_room() -> None:
        (tmp_path / "room").touch()
        wait_until((tmp_path / "made").exists, "room is made")
        assert process.poll() is None

    written, sentence, after = fill(process, make_room=make_room)
    assert written > 100
    assert sentence.startswith(f"The disk with the store {disk}/winnow.db is full: make room and resume")
    assert after == str(written + 1)


def test_a_store_locked_by_another_process(store, file):
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.runs()  # reading goes on
    with pytest.raises(StoreError, match="locked by another process"):
        open_store(f"sqlite:///{file}?timeout=0.1")
    other.execute("ROLLBACK")
    with open_store(f"sqlite:///{file}?timeout=0.1") as patient:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            patient.set_run("run-1", status="finished")
        assert patient.run("run-1").status == "running"
        other.execute("ROLLBACK")
        other.close()
        patient.set_run("run-1", status="finished")


def test_a_newer_version_is_refused_and_left_alone(store, file):
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE winnow_store SET version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer Winnow .its version is 99"):
        open_store(file)


@pytest.mark.parametrize("content", [b"not a database, " * 100, b"SQLite format 3\0" + bytes(5000), b"x"])
def test_a_file_of_something_else(file, content):
    file.write_bytes(content)
    with pytest.raises(StoreError, match="no SQLite database|is damaged"):
        open_store(file)
    assert file.read_bytes() == content


def test_a_database_of_something_else(file):
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE runs (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match="database of something else"):
        open_store(file)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    connection.close()


async def test_a_damaged_store(store, file, step):
    journal = store.journal("run-1", "task")
    for index in range(50):
        await journal.append(step(Key("a", "b", index), ASKED, "x" * 2000), ASKED)
    store.close()
    size = file.stat().st_size
    with file.open("r+b") as stream:  # all but the pages that opening reads
        stream.seek(size // 2)
        stream.write(b"\xff" * (size - size // 2))
    with pytest.raises(StoreError, match="is damaged"), open_store(file) as damaged:
        list(damaged.steps("run-1"))
        await damaged.put_result("run-1", "t", "k", "n", "{}")


def test_places_that_cannot_hold_a_store(tmp_path, monkeypatch):
    with pytest.raises(StoreError, match="cannot be opened .Not a directory|does not exist"):
        open_store("/dev/null/winnow.db")
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="does not exist: make it"):
        open_store(tmp_path / "missing" / "winnow.db")
    with pytest.raises(StoreError, match="in memory"):
        open_store("sqlite://")
    with pytest.raises(StoreError, match="SQLite or PostgreSQL, not in mysql"):
        open_store("mysql://me:secret@host/db")
    with pytest.raises(StoreError, match="no database URL") as caught:
        open_store("nosuch://me:secret@host/db")
    assert "secret" not in str(caught.value)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("WINNOW_STORE", raising=False)
    with pytest.raises(StoreError, match="cannot be made"):
        open_store()


def test_a_read_only_disk(store, file, child, tmp_path, own_mounts):
    """A real one, mounted read-only, since root may write into a folder that says no."""
    store.close()
    script = f'mount --bind "{tmp_path}" "{tmp_path}" && mount -o remount,ro,bind "{tmp_path}" && exec "$@"'
    wrap = (*own_mounts, "sh", "-c", script, "sh")
    for name in (file, tmp_path / "new.db"):
        _, errors = child("hold", name, wrap=wrap).communicate("\n", timeout=PATIENCE)
        assert f"StoreError: The store {name} cannot be written" in errors
    assert [part.name for part in tmp_path.iterdir()] == [file.name]


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may write everywhere; the read-only disk is the test for it"
)
def test_a_read_only_folder(file):
    file.parent.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            open_store(file)
    finally:
        file.parent.chmod(0o700)


def test_where_the_store_is_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("WINNOW_STORE", raising=False)
    open_store().close()
    assert (tmp_path / "data" / "winnow" / "winnow.db").exists()
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setattr(sys, "platform", "linux")
    open_store().close()
    assert (tmp_path / "home" / ".local" / "share" / "winnow" / "winnow.db").exists()
    monkeypatch.setenv("WINNOW_STORE", "~/named.db")
    with open_store() as store:
        assert store.url.endswith("/home/named.db")
    assert (tmp_path / "home" / "named.db").exists()


def test_processes_that_open_a_new_store_at_once(file, child):
    processes = [child("open", file) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=PATIENCE) == ("0\n", "")
