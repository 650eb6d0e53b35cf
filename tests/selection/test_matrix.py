"""The matrix, on real sandboxes: every cell by its name, nothing run twice, nothing left behind."""

from __future__ import annotations

import asyncio

import pytest
from waiting import PATIENCE

from agent import Candidate, KilledSandbox, Run, Script
from sandbox import SandboxDied
from selection import UNFIXED, Test, check_applies, run_matrix

pytestmark = [pytest.mark.overlay, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def matrix(task, base):
    async def run(candidates, tests, done=None, timeout=PATIENCE, parallel=2):
        changed = check_applies(task, candidates)
        return await run_matrix(
            base,
            task,
            candidates,
            tests,
            changed,
            timeout=timeout,
            slots=asyncio.Semaphore(parallel),
            done=done,
        )

    return run


def codes(cells) -> dict[tuple[str, str], int]:
    return {key: run.exit_code for key, run in cells.items()}


async def test_every_test_on_every_candidate_and_on_the_unfixed_code(matrix, candidate, totals):
    candidates = [
        candidate("attempt-1", {"total.sh": totals.RIGHT}),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE}),
        candidate("attempt-3", {"total.sh": None, "new/place.sh": "echo 3\n"}),
    ]
    tests = [
        Test("test-1", totals.total_is(1, 2, 3)),
        Test("test-2", totals.total_is(4, 5, 9)),
        Test("test-3", totals.script("[ -e total.sh ] && exit 2", "exec sh new/place.sh")),
    ]
    cells = await matrix(candidates, tests)
    assert codes(cells) == {
        (UNFIXED, "test-1"): 2,
        (UNFIXED, "test-2"): 2,
        (UNFIXED, "test-3"): 2,
        ("attempt-1", "test-1"): 0,
        ("attempt-1", "test-2"): 0,
        ("attempt-1", "test-3"): 2,
        ("attempt-2", "test-1"): 0,
        ("attempt-2", "test-2"): 2,
        ("attempt-2", "test-3"): 2,
        ("attempt-3", "test-1"): 2,
        ("attempt-3", "test-2"): 2,
        ("attempt-3", "test-3"): 0,
    }
    assert "saw 3\n" in cells["attempt-2", "test-2"].output


async def test_no_execution_sees_another(matrix, candidate, totals, base):
    """A test that spoils the code spoils nobody else's: neither the same candidate's nor the unfixed code's."""
    spoil = totals.script(
        "test -e spoilt && exit 9", "touch spoilt /tmp/spoilt", "echo 'echo 9' > total.sh", "exit 2"
    )
    tests = [
        Test("test-1", spoil),
        Test("test-2", totals.script("test -e spoilt && exit 9", "test -e /tmp/spoilt && exit 9", "exit 0")),
    ]
    cells = await matrix([candidate("a", {"total.sh": totals.RIGHT})], tests, parallel=1)
    assert codes(cells) == {
        (UNFIXED, "test-1"): 2,
        (UNFIXED, "test-2"): 0,
        ("a", "test-1"): 2,
        ("a", "test-2"): 0,
    }


async def test_the_same_files_and_the_same_scripts_are_run_once(matrix, candidate, totals, base):
    one = candidate("attempt-10", {"total.sh": totals.RIGHT})
    twin = Candidate("attempt-2", one.patch.replace("@@", "@@", 1).replace("index ", "index 0", 1))
    tests = [Test("test-10", totals.total_is(1, 2, 3)), Test("test-3", totals.total_is(1, 2, 3))]
    seen = []
    cells = await matrix([one, twin], tests, done=lambda *what: seen.append(what[:2]))
    assert sorted(base.book["copies"]) == [
        "matrix/attempt-2",
        "matrix/attempt-2/test-3",
        "matrix/unfixed/test-3",
    ]
    assert sorted(seen) == [("attempt-2", "test-3"), (UNFIXED, "test-3")]
    assert len(cells) == 6 and len({run for (name, _), run in cells.items() if name != UNFIXED}) == 1


async def test_empty_and_failing_patches_have_no_cells(matrix, candidate, totals):
    broken = Candidate("b", candidate("b", {"total.sh": totals.RIGHT}).patch.replace("- $2", "- $9"))
    cells = await matrix(
        [Candidate("a", "\n"), broken, Candidate("c", "no patch at all")],
        [Test("t", totals.script("exit 2"))],
    )
    assert codes(cells) == {(UNFIXED, "t"): 2}
    assert await matrix([candidate("d", {"total.sh": totals.RIGHT})], []) == {}


async def test_names_do_not_depend_on_the_order_of_arrival(matrix, candidate, totals, base):
    candidates = [candidate(f"attempt-{i}", {"total.sh": f"echo {i}\n"}) for i in (1, 2)]
    tests = [Test(f"test-{i}", totals.script(f"sleep 0.{i}", "exit 2")) for i in (3, 1)]
    forward = await matrix(candidates, tests, parallel=4)
    names = sorted(base.book["copies"])
    base.book["copies"].clear()
    backward = await matrix(candidates[::-1], tests[::-1], parallel=1)
    assert backward == forward and sorted(base.book["copies"]) == names
    assert names == [
        "matrix/attempt-1",
        "matrix/attempt-1/test-1",
        "matrix/attempt-1/test-3",
        "matrix/attempt-2",
        "matrix/attempt-2/test-1",
        "matrix/attempt-2/test-3",
        "matrix/unfixed/test-1",
        "matrix/unfixed/test-3",
    ]


async def test_time_outs_are_results(matrix, candidate, totals, base):
    tests = [Test("slow", totals.script("echo begun", "sleep 3600"))]
    for limit in (1, 10, 60):  # a slow machine may have come to no word within the first ones
        base.book["copies"].clear()
        cells = await matrix([candidate("a", {"total.sh": totals.RIGHT})], tests, timeout=limit)
        assert cells["a", "slow"].ended == "timeout"
        if cells["a", "slow"].output:
            break
    assert "begun" in cells["a", "slow"].output


async def test_missing_interpreters_are_results(matrix, candidate, totals):
    tests = [Test("odd", Script("no-such-program", "x\n"))]
    cells = await matrix([candidate("a", {"total.sh": totals.RIGHT})], tests)
    assert cells["a", "odd"].exit_code == 127


async def test_execute_bits_stay_and_new_ones_come(matrix, candidate, totals):
    patch = candidate("a", {"bin/tool": "#!/bin/sh\necho new\n", "bin/more": "#!/bin/sh\necho more\n"}).patch
    patch = patch.replace("new file mode 100644", "new file mode 100755")
    cells = await matrix([Candidate("a", patch)], [Test("t", totals.script("bin/tool && bin/more"))])
    assert (cells["a", "t"].exit_code, cells["a", "t"].output) == (0, "new\nmore\n")


async def test_a_test_that_ends_its_sandbox_is_a_result_with_the_same_words_each_time(
    matrix, candidate, totals, base, monkeypatch
):
    async def die(sandbox, name, *_, **__):
        raise KilledSandbox(f"pid 4711 in {name}")

    monkeypatch.setattr("selection.matrix.run_script", die)
    cells = await matrix([candidate("a", {"total.sh": totals.RIGHT})], [Test("t", totals.script("exit 2"))])
    assert cells["a", "t"] == cells[UNFIXED, "t"] == Run(137, "The script ended its sandbox.", "killed")


async def test_a_fault_of_the_world_ends_it_and_leaves_no_copy(matrix, candidate, totals, base, monkeypatch):
    """`base` asserts at its end that every copy was closed."""
    copy = base.real.copy

    async def fail(name):
        if name == "matrix-attempt-2":
            raise SandboxDied("the engine restarted")
        return await copy(name)

    monkeypatch.setattr(base.real, "copy", fail)
    candidates = [candidate(f"attempt-{i}", {"total.sh": f"echo {i}\n"}) for i in (1, 2, 3)]
    with pytest.raises(SandboxDied):
        await matrix(candidates, [Test("t", totals.script("sleep 1"))])
