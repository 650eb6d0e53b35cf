"""Readings of a whole run: page by page, in order, whatever is written meanwhile."""

from __future__ import annotations

import asyncio

from store import Key, Part, readings


async def fill(store, many: int) -> None:
    await asyncio.gather(
        *(
            store.put_trajectory(
                "run-1", f"t-{n % 3}", f"attempt-{n}", ending="finished", is_result=True, body=f'{{"n": {n}}}'
            )
            for n in range(many)
        ),
        *(store.put_result("run-1", f"t-{n % 3}", "grade", f"attempt-{n}", str(n)) for n in range(many)),
        store.put_result("run-1", "t-0", "choice", "codemonkeys", "{}"),
    )


async def test_every_row_once_over_many_pages(store, monkeypatch):
    monkeypatch.setattr(readings, "PAGE", 7)
    store.create_run("run-2", config="{}", kind="run")
    await store.put_result("run-2", "t-0", "grade", "attempt-0", "other")
    for many in (1, 7, 14, 40):
        await fill(store, many)
        assert sorted(int(row.body) for row in store.each_result("run-1", "grade")) == list(range(many))
        assert len(list(store.each_trajectory("run-1"))) == many
    assert [row.name for row in store.each_result("run-1", "choice")] == ["codemonkeys"]
    assert list(store.each_result("run-1", "nothing")) == list(store.each_trajectory("run-none")) == []


async def test_what_is_written_while_reading_does_no_harm(store, monkeypatch):
    """A row replaced between two pages is read once, as it was or as it is."""
    monkeypatch.setattr(readings, "PAGE", 5)
    await fill(store, 20)
    seen = []
    for row in store.each_result("run-1", "grade"):
        seen.append(row.name)
        if len(seen) == 5:
            await fill(store, 20)
    assert sorted(seen) == sorted(f"attempt-{n}" for n in range(20))


async def test_spent_is_the_totals_by_trajectory(store, step):
    text = (Part("command", "true"),)
    known = dict(prompt_tokens=10, completion_tokens=4, cached_tokens=2)
    for task in ("one", "two"):
        journal = store.journal("run-1", task)
        for name, cost in (("attempt-1", 0.5), ("attempt-2", None)):
            first = step(Key(name, "ask", 0), text, cost=cost, started=100.0, seconds=1.5, **known)
            await journal.append(first, text)
            await journal.append(step(Key(name, "run", 0), text, kind="run", started=90, seconds=30.0), text)
    rows = store.spent("run-1")
    assert [(row.task, row.trajectory) for row in rows] == [
        (task, name) for task in ("one", "two") for name in ("attempt-1", "attempt-2")
    ]
    assert (rows[0].cost, rows[0].unpriced, rows[1].cost, rows[1].unpriced) == (0.5, 0, 0.0, 1)
    assert (rows[0].began, rows[0].ended, rows[0].seconds) == (90.0, 120.0, 31.5)
    totals = store.totals("run-1")
    assert sum(row.asks for row in rows) == totals.asks
    assert sum(row.prompt_tokens for row in rows) == totals.prompt_tokens
    assert store.spent("run-none") == []
