"""What batches ask of a store: many tasks at once, one by name, all endings, and trajectories set aside."""

from __future__ import annotations

import pytest

from store import Key, Part, StoreError


def test_many_tasks_are_all_there_or_none(store):
    bodies = {f"owner__repo-{n}": "{}" for n in range(600)}
    store.put_tasks("run-1", bodies)
    assert store.task_names("run-1") == list(bodies)
    with pytest.raises(StoreError):
        store.put_tasks("no-such-run", bodies)
    store.put_tasks("run-1", {"owner__repo-7": '{"built": 1}'})
    assert store.task_names("run-1") == list(bodies)
    assert store.task("run-1", "owner__repo-7").body == '{"built": 1}'
    with pytest.raises(StoreError, match="owner__repo-7"):
        store.task("run-1", "owner_repo-7")


def test_a_runs_configuration_can_be_replaced(store):
    store.set_config("run-1", '{"attempts": 4}')
    assert store.run("run-1").config == '{"attempts": 4}'
    with pytest.raises(StoreError):
        store.set_config("run-2", "{}")


async def test_all_endings_at_once_without_bodies(store):
    for task in ("a", "b"):
        for number in (1, 2):
            await store.put_trajectory(
                "run-1", task, f"attempt-{number}", ending="finished", is_result=True, body="{}" * 1000
            )
    rows = store.endings("run-1")
    assert [(r.task, r.trajectory, r.body) for r in rows] == [
        ("a", "attempt-1", ""), ("a", "attempt-2", ""), ("b", "attempt-1", ""), ("b", "attempt-2", ""),
    ]  # fmt: skip


async def test_what_is_set_aside_is_kept_and_the_name_is_free_again(store, step):
    texts = [Part("message 1 (user)", "hello")]
    with store.lease("run-1"):
        for round in (1, 2):
            journal = store.journal("run-1", "a")
            for index in range(2):
                key = Key("attempt-1", "editing", index)
                await journal.append(step(key, texts, cost=0.5), texts)
            await store.put_trajectory(
                "run-1", "a", "attempt-1", ending="step limit", is_result=True, body="{}"
            )
            assert store.set_aside("run-1", "a", "attempt-1") == f"redone-{round}/attempt-1"
            assert not store.journal("run-1", "a").has("attempt-1")
    assert store.totals("run-1").cost == 2.0
    names = [row.trajectory for row in store.trajectories("run-1", "a")]
    assert sorted(names) == ["redone-1/attempt-1", "redone-2/attempt-1"]
    assert len(list(store.steps("run-1", "a", "redone-1/attempt-1"))) == 2


async def test_only_the_steps_that_failed_are_set_aside(store, step):
    texts = [Part("message 1 (user)", "hello")]
    with store.lease("run-1"):
        journal = store.journal("run-1", "a")
        for index, answer in enumerate(['{"choices": []}', '{"error": "BudgetSpent", "message": "x"}']):
            made = step(Key("attempt-1", "editing", index), texts, answer=answer)
            await journal.append(made, texts)
        await store.put_trajectory("run-1", "a", "attempt-1", ending="cost limit", is_result=True)
        store.set_aside("run-1", "a", "attempt-1", answers='{"error": "BudgetSpent"')
    kept = [s.key.index for s in store.steps("run-1", "a", "attempt-1")]
    gone = [s.key.index for s in store.steps("run-1", "a", "redone-1/attempt-1")]
    assert (kept, gone) == ([0], [1])
    assert [row.trajectory for row in store.trajectories("run-1", "a")] == ["redone-1/attempt-1"]
