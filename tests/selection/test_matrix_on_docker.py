"""The matrix where a copy is a container: tests of one candidate take turns in one, and see nothing of each other."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
from collections import Counter

import pytest
import pytest_asyncio
from waiting import PATIENCE

from sandbox import Limits
from selection import UNFIXED, Test, check_applies, run_matrix

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="session")]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can look at a container's layer")


class Counted:
    """A real sandbox that counts the containers its copies ran in, by the name of what they were copied from."""

    cheap_copies = False

    def __init__(self, real, book, name=""):
        self.real, self.book, self.name = real, book, name

    async def copy(self, name, **options):
        return Counted(await self.real.copy(name.replace("/", "-"), **options), self.book, self.name or name)

    async def run(self, command, **options):
        result = await self.real.run(command, **options)
        self.book["runs"][self.name] += 1
        self.book["fresh"][self.name] += not result.reused
        return result

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(task):
    from sandbox import DockerBackend

    backend = DockerBackend(f"test{secrets.token_hex(4)}")
    base = await backend.start(task.world(), name="base", limits=dataclasses.replace(Limits(), processes=64))
    await base.run("true")
    yield base
    await backend.close()


@pytest.fixture
def matrix(task, real):
    async def run(candidates, tests, isolation="auto"):
        book = {"runs": Counter(), "fresh": Counter()}
        cells = await run_matrix(
            Counted(real, book),
            task,
            candidates,
            tests,
            check_applies(task, candidates),
            timeout=PATIENCE,
            slots=asyncio.Semaphore(2),
            isolation=isolation,
        )
        return cells, book

    return run


@pytest.fixture
def spoilers(totals):
    """Tests that leave something each, and that exit 9 where they see what one of them left."""
    look = (
        "[ -e /dev/shm/left ] && exit 9; [ -e left ] && exit 9; [ -e /tmp/left ] && exit 9",
        "[ -x total.sh ] && exit 9; grep -q 'echo 9' total.sh && exit 9",
        "grep -qs 'sleep.4711' /proc/[0-9]*/cmdline && exit 9",
        "[ $(wc -l </proc/sysvipc/sem) = 1 ] || exit 9",
    )
    leave = {
        "process": "sleep 4711 >/dev/null 2>&1 &",
        "file": "touch left /tmp/left",
        "shared": "echo x >/dev/shm/left",
        "source": "echo 'echo 9' >total.sh",
        "mode": "chmod +x total.sh",
        "semaphore": "perl -e 'semget(4711, 1, 01600) // exit 8' || exit 8",
    }
    return [Test(name, totals.script(*look, spoil, "exit 2")) for name, spoil in leave.items()]


@as_root
async def test_no_test_sees_another_and_containers_are_spared(matrix, candidate, totals, spoilers):
    clean = [Test(f"t{i}", totals.total_is(i, 1, i + 1)) for i in range(3)]
    candidates = [
        candidate("a", {"total.sh": totals.RIGHT}),
        candidate("b", {"total.sh": totals.ALWAYS_THREE}),
    ]
    cells, book = await matrix(candidates, [*spoilers, *clean])
    assert {cells[name, test.id].exit_code for name in ("a", "b", UNFIXED) for test in spoilers} == {2}
    assert [cells["a", test.id].exit_code for test in clean] == [0, 0, 0]
    assert [cells["b", test.id].exit_code for test in clean] == [2, 2, 0]
    # One container for each candidate, and another after each of the three whose doing cannot be undone.
    assert book["runs"] == dict.fromkeys(("matrix/a", "matrix/b", "matrix/unfixed"), 9)
    assert book["fresh"] == dict.fromkeys(("matrix/a", "matrix/b", "matrix/unfixed"), 4)
    assert sum(run.reused for run in cells.values()) == 15


async def test_each_in_a_fresh_container_when_that_is_asked_for(matrix, candidate, totals, spoilers):
    cells, book = await matrix([candidate("a", {"total.sh": totals.RIGHT})], spoilers[:2], "fresh")
    assert {run.exit_code for run in cells.values()} == {2} and not any(run.reused for run in cells.values())
    assert book["runs"] == book["fresh"] and book["runs"].total() == 4


async def test_a_candidate_that_deletes_files_too(matrix, candidate, totals):
    gone = candidate("a", {"total.sh": None, "new.sh": "echo 3\n"})
    tests = [Test(f"t{i}", totals.script(f": {i}", "[ -e total.sh ] && exit 2", "sh new.sh")) for i in (1, 2)]
    cells, _ = await matrix([gone], tests)
    assert [cells["a", test.id].output for test in tests] == ["3\n", "3\n"]
    assert [cells[UNFIXED, test.id].exit_code for test in tests] == [2, 2]
