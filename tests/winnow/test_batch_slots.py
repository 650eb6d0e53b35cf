"""Limits that issues share: never passed, fair, given back whatever happens, and never locked for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import PATIENCE

from agent import together
from sandbox import Limits, OverlayBackend, Place, World
from winnow import batch_slots
from winnow.batch_sandboxes import LimitedBackend, Machine
from winnow.batch_slots import Slots
from winnow.configuration import LimitSettings


async def turns(times: int = 20) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_lines_are_served_in_turn_and_never_more_than_there_are():
    slots, order = Slots(1), []

    async def work(owner: str, number: int) -> None:
        async with slots.one(owner):
            order.append(f"{owner}{number}")
            assert slots.held == 1
            await asyncio.sleep(0)

    await asyncio.gather(*(work("a", n) for n in range(4)), *(work("b", n) for n in range(2)), work("c", 0))
    assert order == ["a0", "a1", "b0", "c0", "a2", "b1", "a3"]
    assert (slots.held, slots.waiting, slots.peak) == (0, 0, 1)


async def test_whoever_is_cancelled_leaves_the_line_and_holds_nothing():
    slots = Slots(1)
    await slots.take("a")
    waiting = [asyncio.ensure_future(slots.take("b")) for _ in range(3)]
    await turns()
    waiting[0].cancel()
    await turns()
    slots.give_back("a")
    waiting[1].cancel()  # it was given the slot, and has not seen it yet
    await turns()
    await waiting[2]
    assert (slots.held, slots.waiting) == (1, 0)
    slots.give_back("b")
    assert slots.held == 0


async def test_holders_that_wait_for_more_are_let_past_one_issue_at_a_time(monkeypatch):
    """Four issues hold one sandbox each and need two more before they give any back: three could never move."""
    monkeypatch.setattr(batch_slots, "STUCK", 0.01)
    slots = Slots(4, nested=True)

    async def issue(owner: str) -> None:
        async with slots.one(owner):
            await turns()
            async with slots.one(owner):
                await turns()
                async with slots.one(owner):
                    with slots.busy():
                        await asyncio.sleep(0.001)

    await asyncio.wait_for(asyncio.gather(*(issue(name) for name in "abcdef")), PATIENCE)
    assert slots.held == 0 and slots.peak <= 6


async def test_nobody_is_let_past_while_something_still_runs(monkeypatch):
    monkeypatch.setattr(batch_slots, "STUCK", 0.001)
    slots, done = Slots(1, nested=True), asyncio.Event()

    async def runs() -> None:
        async with slots.one("a"):
            with slots.busy():
                await done.wait()

    first = asyncio.ensure_future(runs())
    second = asyncio.ensure_future(slots.take("a"))
    await asyncio.sleep(0.05)
    assert not second.done() and slots.peak == 1
    done.set()
    await asyncio.gather(first, second)


@settings(max_examples=60)
@given(
    most=st.integers(1, 4),
    plans=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=8),
    cancelled=st.sets(st.integers(0, 7)),
)
def test_any_nesting_of_any_issues_comes_to_an_end(most, plans, cancelled):
    """plans: for each issue the depths to which it takes sandboxes inside one another, all at the same time."""

    async def nested(slots: Slots, cpus: Slots, owner: str, depth: int) -> None:
        async with slots.one(owner):
            with slots.busy():
                async with cpus.one(owner):
                    await asyncio.sleep(0)
            if depth > 1:
                await nested(slots, cpus, owner, depth - 1)

    async def all_of_them() -> None:
        slots, cpus = Slots(most, nested=True), Slots(1)
        tasks = [
            asyncio.ensure_future(together([nested(slots, cpus, f"issue-{i}", d) for d in plan]))
            for i, plan in enumerate(plans)
        ]
        await turns(3)
        for number in cancelled:
            if number < len(tasks):
                tasks[number].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
        assert (slots.held, slots.waiting, cpus.held, cpus.waiting) == (0, 0, 0, 0)

    before, batch_slots.STUCK = batch_slots.STUCK, 0.001
    try:
        asyncio.run(all_of_them())
    finally:
        batch_slots.STUCK = before


@pytest.mark.overlay
async def test_sandboxes_and_commands_stay_within_the_machines_limits(tmp_path: Path):
    """Ten copies of a copy of each of three bases, with three sandboxes and two commands at once."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("base")
    machine = Machine.of(LimitSettings(sandboxes=3, executions=2))
    inner = OverlayBackend("run", tmp_path / "state")

    async def issue(owner: str) -> list[str]:
        backend = LimitedBackend(inner, machine, owner)
        world = World(places=(Place(source, "/repo"),), workdir="/repo")
        base = await backend.start(world, name="base", limits=Limits())
        layer = await base.copy("layer")
        await layer.write("file", owner.encode())

        async def one(number: int) -> str:
            copy = await layer.copy(f"copy-{number}")
            try:
                return (await copy.run("cat file")).output
            finally:
                await copy.close()

        said = await asyncio.gather(*(one(n) for n in range(10)))
        await layer.close()
        await base.close()
        return said

    try:
        said = await asyncio.gather(*(issue(name) for name in "abc"))
    finally:
        await inner.close()
    assert said == [["a"] * 10, ["b"] * 10, ["c"] * 10]
    assert machine.sandboxes.peak <= 3 and machine.executions.peak <= 2
    assert machine.sandboxes.held == machine.executions.held == 0
