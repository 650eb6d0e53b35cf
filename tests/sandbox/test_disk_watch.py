"""The watch itself, on folders of the real disk: who is stopped, when, and what it costs."""

import asyncio
import os
import time
import types

import pytest
from waiting import PATIENCE, wait_until_async

from sandbox import Result, SandboxDied, disk_watch
from sandbox.disk_count import written
from sandbox.disk_watch import DEAR, DiskWatch, Watched, in_words

MB = 1 << 20


class Folder:
    """A folder as the files of a sandbox, and a sandbox that only notes its stops."""

    exact = False

    def __init__(self, folder, limit=4 * MB, disk=True):
        folder.mkdir()
        self.folder, self.disk = folder, folder if disk else None
        self.counts = self.stops = 0
        self.count_takes = 0.0
        self.left = False
        self.ended = asyncio.Event()
        self.watched = Watched(self, limit, self.stop)

    def count(self, enough):
        self.counts += 1
        time.sleep(self.count_takes)
        return written([self.folder], enough)

    def busy(self):
        return self.left

    async def stop(self, ended, line):
        self.stops += 1
        self.left = False
        self.ended.set()

    def write(self, size, name="file"):
        with open(self.folder / name, "ab") as file:
            file.write(os.urandom(size))

    async def command(self, *sizes, every=0.0):
        self.ended.clear()
        for number, size in enumerate(sizes):
            self.write(size, f"{number}-{time.monotonic()}")
            if every:
                await asyncio.wait({asyncio.create_task(self.ended.wait())}, timeout=every)
            if self.ended.is_set():
                return Result(137, "partial\n", "disk")
        return Result(0, "output")


@pytest.fixture(autouse=True)
def own_disk(tmp_path, monkeypatch):
    """A disk that nobody else uses: what others take would count, and what they give back may hide what was taken."""

    def statvfs(folder):
        return types.SimpleNamespace(f_bfree=(1 << 40) - written([tmp_path]), f_frsize=1, f_ffree=0)

    monkeypatch.setattr(os, "statvfs", statvfs)


@pytest.fixture
async def watch():
    watch = DiskWatch()
    yield watch
    await watch.close()


@pytest.fixture
def only_ends(monkeypatch):
    """Nobody looks while a command runs: for what is seen at its end."""
    monkeypatch.setattr(disk_watch, "TICK", 3600.0)


async def test_little_is_counted_only_when_the_command_ends(watch, tmp_path):
    box = Folder(tmp_path / "box", limit=64 * MB)
    assert await watch.run(box.watched, box.command(MB, every=0.6)) == Result(0, "output")
    assert (box.counts, box.stops) == (1, 0)


async def test_too_much_at_once_is_seen_at_the_commands_end(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")
    result = await watch.run(box.watched, box.command(6 * MB))
    assert (result.exit_code, result.ended) == (137, "disk")
    assert result.output == "output\n[killed: more than 4 MB of disk was written]\n"
    assert box.stops == 1


async def test_one_excess_stops_a_sandbox_once(watch, tmp_path):
    box = Folder(tmp_path / "box")
    box.left, box.count_takes = (
        True,
        3 * disk_watch.TICK,
    )  # looks around fall into the count at the command's end
    assert (await watch.run(box.watched, box.command(6 * MB))).ended == "disk"
    await asyncio.wait_for(watch._task, PATIENCE)
    assert box.stops == 1


@pytest.mark.parametrize("given_back", [6, 60])
async def test_space_that_others_give_back_meanwhile_hides_nothing(watch, tmp_path, only_ends, given_back):
    box, others = Folder(tmp_path / "box"), tmp_path / "others"
    others.write_bytes(os.urandom(given_back * MB))

    async def writes_while_others_delete():
        result = await box.command(6 * MB)
        others.unlink()
        return result

    assert (await watch.run(box.watched, writes_while_others_delete())).ended == "disk"


async def test_too_much_written_until_a_time_out_is_named_disk(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")

    async def times_out(*sizes):
        await box.command(*sizes)
        return Result(124, "partial\n", "timeout")

    assert (await watch.run(box.watched, times_out(MB))).ended == "timeout"
    result = await watch.run(box.watched, times_out(6 * MB))
    assert (result.exit_code, result.ended) == (137, "disk")


async def test_what_a_killed_command_had_written_is_seen_at_the_next_ones_end(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")

    async def out_of_memory():
        await box.command(6 * MB)
        return Result(137, "partial\n", "memory")

    assert (await watch.run(box.watched, out_of_memory())).ended == "memory"
    assert (await watch.run(box.watched, box.command())).ended == "disk"


async def test_too_much_while_it_runs_is_the_commands_end(watch, tmp_path):
    box = Folder(tmp_path / "box")
    result = await watch.run(box.watched, box.command(*[MB] * 500, every=0.2))
    assert result.ended == "disk" and box.stops == 1
    assert written([box.folder]) < 40 * MB


async def test_only_the_one_that_wrote_is_stopped(watch, tmp_path):
    guilty, other = Folder(tmp_path / "guilty"), Folder(tmp_path / "other")

    async def runs_on_for_a_while():
        other.write(MB)
        await guilty.ended.wait()
        return await other.command(MB, every=0.5)

    running = asyncio.create_task(watch.run(other.watched, runs_on_for_a_while()))
    await watch.run(guilty.watched, guilty.command(*[MB] * 500, every=0.2))
    assert await running == Result(0, "output")
    assert (guilty.stops, other.stops) == (1, 0)


async def test_the_sum_of_many_commands_counts(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")
    ends = [(await watch.run(box.watched, box.command(MB))).ended for _ in range(6)]
    assert ends[:3] == ["exited"] * 3 and "disk" in ends


async def test_after_a_stop_it_may_read_and_delete_but_not_grow(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")
    await watch.run(box.watched, box.command(8 * MB))
    assert (await watch.run(box.watched, box.command())).ended == "exited"
    assert (await watch.run(box.watched, box.command(1000))).ended == "exited"
    assert (await watch.run(box.watched, box.command(MB))).ended == "disk"
    for path in box.folder.iterdir():
        path.unlink()
    assert (await watch.run(box.watched, box.command(2 * MB))).ended == "exited"
    assert (await watch.run(box.watched, box.command(4 * MB))).ended == "disk"


async def test_what_a_command_left_behind_is_watched_until_it_is_gone(watch, tmp_path):
    box = Folder(tmp_path / "box")
    box.left = True
    assert (await watch.run(box.watched, box.command())).ended == "exited"
    box.write(6 * MB)
    await box.ended.wait()
    assert box.stops == 1
    await watch._task


async def test_nothing_runs_while_no_command_does(watch, tmp_path):
    box = Folder(tmp_path / "box")
    await watch.run(box.watched, box.command())
    await watch._task
    assert (await watch.run(box.watched, box.command(6 * MB))).ended == "disk", "and it begins again"


async def test_where_nobody_can_look_at_the_disk_files_are_counted_at_each_commands_end(
    watch, tmp_path, monkeypatch, only_ends
):
    monkeypatch.setattr(disk_watch, "DEAR", 3600.0)
    box = Folder(tmp_path / "box", disk=False)
    ends = [(await watch.run(box.watched, box.command(3 * MB))).ended for _ in range(2)]
    assert ends == ["exited", "disk"]


async def test_where_that_takes_the_engine_long_they_are_counted_seldom(
    watch, tmp_path, monkeypatch, only_ends
):
    monkeypatch.setattr(disk_watch, "SELDOM", 3600.0)
    box = Folder(tmp_path / "box", disk=False)
    box.count_takes = 2 * DEAR
    ends = [(await watch.run(box.watched, box.command(3 * MB))).ended for _ in range(2)]
    assert ends == ["exited", "exited"] and box.counts == 1


async def test_where_that_takes_the_engine_long_they_are_counted_again_while_a_command_runs(watch, tmp_path):
    box = Folder(tmp_path / "box", disk=False)
    box.count_takes = 2 * DEAR
    sizes = [3 * MB, *[1] * 5, 3 * MB, *[1] * 500]
    assert (await watch.run(box.watched, box.command(*sizes, every=0.2))).ended == "disk"
    assert box.counts > 1


async def test_a_sandbox_that_died_is_no_error(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")

    async def died(ended, line):
        raise SandboxDied("gone")

    box.watched.stop = died
    assert (await watch.run(box.watched, box.command(6 * MB))).ended == "disk"


async def test_files_that_cannot_be_counted_now_are_counted_later(watch, tmp_path, monkeypatch):
    box = Folder(tmp_path / "box")
    counted, failures = box.count, []

    def fails(enough):
        failures.append(enough)
        raise OSError("not now")

    box.count = fails
    task = asyncio.create_task(watch.run(box.watched, box.command(6 * MB, *[1] * 1000, every=0.1)))
    await wait_until_async(lambda: failures, "a count failed")
    box.count = counted
    assert (await task).ended == "disk"


async def test_an_error_of_its_own_is_not_silent(watch, tmp_path, only_ends):
    box = Folder(tmp_path / "box")
    box.count = lambda enough: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await watch.run(box.watched, box.command(MB))


@pytest.mark.parametrize("failure", [OSError("not now"), SandboxDied("no engine answers")], ids=repr)
async def test_a_command_whose_files_cannot_be_counted_at_its_end_keeps_its_result(watch, tmp_path, failure):
    box = Folder(tmp_path / "box")
    box.left = True  # a child of the command is still there: the sandbox stays watched
    count, failures = box.count, iter([failure])

    def fails_once(enough):
        for failure in failures:
            raise failure
        return count(enough)

    box.count = fails_once
    assert (await watch.run(box.watched, box.command(6 * MB))).ended == "exited"
    await box.ended.wait()
    assert box.stops == 1, "what could not be counted then is counted later"


async def test_a_count_costs_microseconds_and_is_one_a_command(watch, tmp_path, monkeypatch):
    monkeypatch.undo()  # looks at the real disk
    box = Folder(tmp_path / "box", limit=1 << 40)
    began = time.process_time()
    for _ in range(1000):
        await watch.run(box.watched, box.command())
    print(f"{(time.process_time() - began) * 1e3:.1f} us of CPU for a watched command")
    assert box.counts == 1000


def test_sizes_are_said_as_people_do():
    assert [in_words(size) for size in (20 * MB, 4 << 30, 1500 * MB)] == ["20 MB", "4.0 GB", "1.5 GB"]
