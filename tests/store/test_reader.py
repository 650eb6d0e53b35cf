"""A store that is only read: beside a writer, after one that was killed, in a folder where nothing can be written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from waiting import PATIENCE

from store import Key, Part, StoreError, StoreMoved, open_reader, open_store, read_only


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    """A closed store of one run in a folder of its own: no log beside it."""
    where = tmp_path / "kept"
    where.mkdir()
    with open_store(where / "s.db") as store:
        store.create_run("run-1", config="{}", kind="run")
        store.put_task("run-1", "t", body='{"n": 1}')
    assert [file.name for file in where.iterdir()] == ["s.db"]
    return where


def test_a_closed_store_is_read_without_a_trace(folder):
    before = files_of(folder)
    with open_reader(folder / "s.db") as reader:
        assert reader.run("run").kind == "run"
        assert [row.body for row in reader.tasks("run-1")] == ['{"n": 1}']
        assert files_of(folder) == before
    assert files_of(folder) == before


def test_it_is_read_beside_a_writer_of_another_process_and_sees_what_that_writes(folder):
    """Nothing of the store, its log or its index is opened for writing: /proc says how files are open."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder / "s.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "written\n"
        with open_reader(folder / "s.db") as reader:
            stamp = reader.stamp()
            assert len(reader.tasks("run-1")) == 2
            with reader._database.read():
                held = Path("/proc/self/fd")
                if held.exists():  # but for the log, which SQLite opens in one way only
                    modes = {
                        os.readlink(entry): _mode(entry)
                        for entry in held.iterdir()
                        if _is_of(entry, str(folder / "s.db"))
                    }
                    opened = {name: mode for name, mode in modes.items() if not name.endswith("-wal")}
                    assert len(opened) == 2 and set(opened.values()) == {os.O_RDONLY}
                child.stdin.write("more\n")  # while a reading is under way: it must not wait for it
                child.stdin.flush()
                assert child.stdout.readline() == "written\n"
            assert len(reader.tasks("run-1")) == 3
            assert reader.stamp() != stamp
    finally:
        child.kill()
        child.wait()


def test_it_is_read_after_its_writer_was_killed(folder):
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder / "s.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "written\n"
    child.kill()
    child.wait()
    before = files_of(folder)
    assert "s.db-wal" in before
    with open_reader(folder / "s.db") as reader:
        assert len(reader.tasks("run-1")) == 2
    assert files_of(folder) == before


def test_it_is_read_in_a_folder_that_cannot_be_written(folder):
    """As another user where tests run as root, whom no mode keeps out."""
    with tempfile.TemporaryDirectory() as open_to_all:  # pytest's own folders are closed to other users
        kept = Path(open_to_all) / "kept"
        shutil.copytree(folder, kept)
        try:
            for path, mode in ((kept / "s.db", 0o444), (kept, 0o555), (Path(open_to_all), 0o555)):
                path.chmod(mode)
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, str(kept / "s.db")], capture_output=True, text=True
            )
            assert done.stdout == "closed to writing\n1\n", done.stderr
        finally:
            for path in (Path(open_to_all), kept):
                path.chmod(0o755)


def test_a_store_that_changes_without_a_log_is_read_again(folder):
    with open_reader(folder / "s.db") as reader, pytest.raises(StoreMoved):
        with reader._database.read() as connection:
            connection.exec_driver_sql("SELECT 1")
            with open_store(folder / "s.db") as store:  # begins, writes, and folds its log into the file
                store.put_task("run-1", "other", body="{}")
    with open_reader(folder / "s.db") as reader:
        assert len(reader.tasks("run-1")) == 2


def test_an_empty_log_is_none(folder):
    """SQLite leaves one where the last writer takes its log away in the instant in which a reader opens it."""
    (folder / "s.db-wal").touch()
    with open_reader(folder / "s.db") as reader:
        assert len(reader.tasks("run-1")) == 1
    with open_store(folder / "s.db") as store:
        store.put_task("run-1", "other", body="{}")
    with open_reader(folder / "s.db") as reader:
        assert len(reader.tasks("run-1")) == 2


def test_writers_may_come_and_go_while_it_is_read(folder, monkeypatch):
    """Logs and indices appear and vanish between any two steps of a reading; what was seen once stays."""
    monkeypatch.setattr(read_only, "PATIENCE", PATIENCE)
    child = subprocess.Popen([sys.executable, "-c", GUESTS, str(folder / "s.db")], stdout=subprocess.PIPE)
    seen = 0
    with open_reader(folder / "s.db") as reader:
        while child.poll() is None:
            with contextlib.suppress(StoreMoved):
                many = len(reader.tasks("run-1"))
                assert many >= seen
                seen = many
            time.sleep(0.003)
        assert len(reader.tasks("run-1")) == 1 + 25 and child.returncode == 0


def test_a_log_without_its_index_is_an_error_that_says_what_to_do(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(read_only, "PATIENCE", 0.1)
    with open_store(folder / "s.db") as store:
        store.put_task("run-1", "other", body="{}")
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("s.db", "s.db-wal"):
            shutil.copy(folder / name, copy / name)
    with pytest.raises(StoreError, match="copy all three files"):
        open_reader(copy / "s.db")


@pytest.mark.parametrize("kind", ["nothing", "folder", "text", "other database"])
def test_what_is_no_store_is_an_error_in_a_sentence(tmp_path, kind):
    import sqlite3

    file = tmp_path / "x.db"
    if kind == "folder":
        file.mkdir()
    elif kind == "text":
        file.write_text("no database at all, but long enough to be read as one would be\n" * 50)
    elif kind == "other database":
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE t (a)")
    before = files_of(tmp_path)
    with pytest.raises(StoreError):
        open_reader(file)
    assert files_of(tmp_path) == before


async def test_what_pages_need_is_read_bounded(store, step, tmp_path):
    """Outlines have no answers, and sums go on from the last step that was added."""
    journal = store.journal("run-1", "t")
    said = (Part("message 1 (user)", "x" * 10_000),)
    for n in range(3):
        await journal.append(step(Key("attempt-1", "ask", n), said, answer=f'"{n}"', prompt_tokens=10), said)
    lines = store.outline("run-1", "t", "attempt-1")
    assert [line.key.index for line in lines] == [0, 1, 2]
    assert store.answers([lines[1].number]) == {lines[1].number: '"1"'}
    assert store.texts_of([lines[0].parts[0][1]]) == {lines[0].parts[0][1]: "x" * 10_000}
    first, last = store.spent_since("run-1")
    assert first["t"].prompt_tokens == 30 and last == lines[-1].number
    assert store.spent_since("run-1", last) == ({}, last)
    await journal.append(step(Key("attempt-1", "ask", 3), said, prompt_tokens=7), said)
    more, _ = store.spent_since("run-1", last)
    assert more["t"].prompt_tokens == 7
    assert first["t"].prompt_tokens + more["t"].prompt_tokens == store.totals("run-1").prompt_tokens
    assert store.outline("run-1", "t", "none") == [] and store.answers([]) == {}


GUESTS = """
import sys
from store import open_store
for n in range(25):
    with open_store(sys.argv[1]) as store:
        store.put_task("run-1", f"guest-{n}", body="{}")
"""

AS_NOBODY = """
import os, sys
from store import open_reader
open_reader(sys.argv[1]).tasks("run-1")  # everything is imported while that is still allowed
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
if not os.access(os.path.dirname(sys.argv[1]), os.W_OK):
    print("closed to writing")
print(len(open_reader(sys.argv[1]).tasks("run-1")))
"""

WRITER = """
import sys
from store import open_store
with open_store(sys.argv[1]) as store:
    n = 0
    while True:
        store.put_task("run-1", f"more-{n}", body="{}")
        print("written", flush=True)
        n += 1
        sys.stdin.readline()
"""


def _mode(entry: Path) -> int:
    info = Path(f"/proc/self/fdinfo/{entry.name}").read_text()
    flags = next(line for line in info.splitlines() if line.startswith("flags:"))
    return int(flags.split()[1], 8) & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)


def _is_of(entry: Path, name: str) -> bool:
    try:
        return name in os.readlink(entry)
    except OSError:
        return False
