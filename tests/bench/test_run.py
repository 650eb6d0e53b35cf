"""`python -m bench` as a process: what it prints and when, arms that hang, and what a run leaves (nothing)."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from programs import needs
from waiting import PATIENCE, wait_until

HERE, ROOT = str(Path(__file__).parent), Path(__file__).parents[2]
START_TABLE, EXEC_TABLE, WRITE_TABLE = "start, one now and then", "`bash -c true`", "write 10 KB"
LAST_START_TABLE = "close"
LEFT_OUT = "left out: no time left"

needs_docker_command = needs("docker")  # the bench's own arms use it
pytestmark = [pytest.mark.overlay, pytest.mark.timeout(6 * PATIENCE)]


class Bench:
    """A running bench. lines: what it has printed to stdout so far.

    Its temporary files are in a folder of their own, and its processes have a mark in their environment.
    """

    def __init__(self, folder: Path, *argv: str, merged: bool = False) -> None:
        """merged: `lines` are those of stderr too, in the order in which they were printed."""
        self._temporary = folder / "temporary"
        self._temporary.mkdir()
        self._mark = secrets.token_hex(8)
        with (folder / "progress").open("w") as progress:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *argv],
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(self._temporary), "PYTHONPATH": HERE, "MARK": self._mark},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merged else progress,
                text=True,
            )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()
        [self.run] = wait_until(self._folders, "the run's folder is there")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """-> the exit code"""
        code = self.process.wait(4 * PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def wait_for(self, title: str) -> None:
        wait_until(lambda: self.count(title), f"a table {title!r} is printed")

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in list(self.lines))

    def wait_until_hanging(self) -> None:
        """Wait until an arm that cannot be cancelled hangs: it has started a process then."""
        wait_until(lambda: any(process.endswith(" sleep") for process in self._processes()), "an arm hangs")

    def table(self, title: str) -> dict[str, str]:
        """The first cell of each row of a table, by arm."""
        first = next(number for number, line in enumerate(self.lines) if line.startswith(title))
        rows = self.lines[first + 2 : self.lines.index("\n", first)]
        cells = [re.split(r"\s{2,}", row.strip()) for row in rows]
        return {row[0]: row[1] for row in cells}

    def leftovers(self) -> list[str]:
        """Folders, control groups and processes of this run."""
        folders = [*self._folders(), *Path("/dev/shm").glob(f"{self.run}*")]
        groups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if self.run in folder]
        return [*map(str, folders), *groups, *self._processes()]

    def _folders(self) -> list[str]:
        return [path.name for path in self._temporary.iterdir()]

    def _processes(self) -> list[str]:
        """Those that have the mark, or a mount of the run's: its sandboxes have an environment of their own."""
        processes = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes()
                mounts = (process / "mountinfo").read_text(errors="replace")
                name = (process / "comm").read_text().strip()
            except OSError:  # it has ended
                continue
            if self._mark.encode() in environment or self.run in mounts:
                processes.append(f"{process.name} {name}")
        return processes


@pytest.fixture
def start_bench(tmp_path):
    """Starts a bench; whatever the test finds, it ends with the test."""
    started = []

    def start(*argv: str, merged: bool = False) -> Bench:
        started.append(Bench(tmp_path, *argv, merged=merged))
        return started[-1]

    yield start
    for bench in started:
        bench.process.send_signal(signal.SIGTERM)
        bench.wait()


def test_each_measure_is_printed_when_it_ends_after_the_machine(start_bench):
    bench = start_bench("bench", "--quick", "--only", "start,exec", "--arms", "plain,overlay", merged=True)
    assert bench.wait() == 0, bench.lines
    text = "".join(bench.lines)
    in_order = [
        " cores (",
        "start, round 1 of 1: Winnow overlay",
        "start, round 1 of 1: plain processes",
        f"\n{START_TABLE}",
        f"\n{LAST_START_TABLE}",
        "exec, round 1 of 1: Winnow overlay",
        f"\n{EXEC_TABLE}",
    ]
    places = [text.index(part) for part in in_order]
    assert places == sorted(places)
    assert [text.count(f"\n{title}") for title in (START_TABLE, LAST_START_TABLE, EXEC_TABLE)] == [1, 1, 1]
    assert all(float(value) > 0 for value in bench.table(EXEC_TABLE).values())
    assert len(bench.table(EXEC_TABLE)) == 2
    assert bench.leftovers() == []


def test_what_was_kept_is_printed_again_and_a_document_has_one_table_at_its_end(start_bench, tmp_path):
    kept = tmp_path / "kept.json"
    options = ["--only", "exec", "--arms", "plain", "--json", str(kept)]
    bench = start_bench("bench", "--quick", "--markdown", *options)
    assert bench.wait() == 0, bench.lines
    assert bench.count("Medians") == 1 and bench.count(EXEC_TABLE) == 0
    assert EXEC_TABLE in (tmp_path / "progress").read_text()
    assert json.loads(kept.read_text())["figures"]["exec"]["exec"]["plain"]
    for options, title in (((), EXEC_TABLE), (("--markdown",), "Medians")):
        words = [sys.executable, "-m", "bench", "--arms", "plain", "--from", str(kept), *options]
        printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert printed.count(f"\n{title}") == 1 and " cores (" in printed.splitlines()[0]


def test_an_arm_that_never_answers_is_killed_and_the_others_are_measured(start_bench):
    arms = ["--arms", "hanging-overlay,plain"]
    bench = start_bench("hanging.run", "10", "600", "--only", "exec,write", *arms)
    assert bench.wait() == 0, bench.lines
    for title in (EXEC_TABLE, WRITE_TABLE):
        table = bench.table(title)
        assert table["a hanging overlay"] == "not measured: it gave no answer in 10 s"
        assert table["plain processes (floor)"] != LEFT_OUT
    assert bench.leftovers() == []


def test_when_the_time_is_over_the_rest_is_left_out_and_the_tables_say_so(start_bench):
    # The arm that waits may take longer to answer than the whole run may take.
    bench = start_bench("hanging.run", "600", "10", "--only", "exec,write", "--arms", "waits,plain")
    assert bench.wait() == 0, bench.lines
    for title in (EXEC_TABLE, WRITE_TABLE):
        assert bench.table(title) == {"an arm that waits": LEFT_OUT, "plain processes (floor)": LEFT_OUT}
    assert bench.leftovers() == []


@pytest.mark.parametrize("arms", ["waits,overlay,plain", "hanging-overlay,overlay,plain"])
def test_an_interrupt_prints_what_was_measured_and_leaves_nothing(start_bench, arms):
    bench = start_bench("hanging.run", "600", "600", "--only", "start,exec,write", "--arms", arms)
    bench.wait_for(LAST_START_TABLE)  # although the next measure hangs
    if "hanging" in arms:
        bench.wait_until_hanging()
    bench.interrupt()
    bench.interrupt()  # an impatient user breaks nothing off
    assert bench.wait() == 130
    assert [bench.count(title) for title in (START_TABLE, EXEC_TABLE, WRITE_TABLE)] == [1, 0, 0]
    assert bench.leftovers() == []


@pytest.mark.docker
@needs_docker_command
def test_the_containers_of_an_arm_that_was_killed_are_removed(start_bench):
    arms = ["--arms", "hanging-docker,docker-cli,docker"]
    bench = start_bench("hanging.run", "20", "600", "--only", "start,exec", *arms)
    assert bench.wait() == 0, bench.lines
    assert bench.table(EXEC_TABLE)["hanging docker"] == "not measured: it gave no answer in 20 s"
    assert bench.leftovers() == [] and _containers(bench.run) == []


@pytest.mark.docker
@needs_docker_command
def test_an_interrupt_leaves_no_container(start_bench):
    arms = ["--arms", "hanging-docker,docker-cli,docker"]
    bench = start_bench("hanging.run", "600", "600", "--only", "start,exec", *arms)
    bench.wait_for(LAST_START_TABLE)
    bench.wait_until_hanging()
    assert len(_containers(bench.run)) >= 2  # the hanging one, and the base of Winnow's copies
    bench.interrupt()
    assert bench.wait() == 130
    assert bench.leftovers() == [] and _containers(bench.run) == []


def _containers(run: str) -> list[str]:
    """The names of a run's containers, Winnow's included."""
    import docker

    client = docker.from_env()
    try:
        labels = (f"winnow-bench.run={run}", f"winnow.run={run}-docker")
        return [
            name
            for label in labels
            for container in client.api.containers(all=True, filters={"label": label})
            for name in container["Names"]
        ]
    finally:
        client.close()
