"""The journal: what was appended is recalled, what changed is named, what is shared is stored once."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import Key, Part, StepChanged, StoreError, open_store
from store.texts import chain, pack, storable, unpack, walk

ASKED = (
    Part("message 1 (system)", "You mend."),
    Part("message 2 (user)", "Mend it."),
    Part("settings", "{}"),
)


def other(parts, place, label=None, digest="0" * 32):
    parts = list(parts)
    parts[place] = (label or parts[place][0], digest)
    return tuple(parts)


async def test_a_step_comes_back_as_it_was(store, file, step):
    key = Key("attempt-1", "relevance/src/a b.py", 3, sample=2)
    answer = '{"text": "caf\u00e9 ' + "long " * 1000 + '"}'
    numbers = dict(
        prompt_tokens=7, completion_tokens=5, cached_tokens=3, cost=0.25, started=12.5, seconds=0.75
    )
    written = step(key, ASKED, answer, **numbers)
    journal = store.journal("run-1", "task")
    assert journal.recall(key, written.parts) is None
    assert not journal.has("attempt-1")
    await journal.append(written, ASKED)
    assert journal.has("attempt-1")
    assert journal.recall(key, written.parts) == written
    assert store.journal("run-1", "task").recall(key, written.parts) == written
    with open_store(file) as again:
        (read,) = again.steps("run-1")
        assert read == written
        assert again.texts(read) == list(ASKED)


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b", "\ud800", "\ud83d\ude00", "x" * 1024, "\u00e9" * 1024, "\r\n", "\ud800" * 5000]
)
async def test_any_text_comes_back(store, step, text):
    texts = (Part("command", text), Part("settings", text + "!"))
    written = step(Key("a", "", 0), texts, answer=text)
    await store.journal("run-1", "task").append(written, texts)
    (read,) = store.steps("run-1")
    assert read.answer == text
    assert store.texts(read) == list(texts)


async def test_a_step_without_a_request(store, step):
    journal = store.journal("run-1", "task")
    await journal.append(step(Key("a", "stop", 0), (), '"yes"', kind="decide"), ())
    assert journal.recall(Key("a", "stop", 0), ()).answer == '"yes"'
    with pytest.raises(StepChanged, match="^command of step a/stop/0 is not in what the journal"):
        journal.recall(Key("a", "stop", 0), (("command", "0" * 32),))


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize(
    ("change", "label", "how"),
    [
        (lambda parts: other(parts, 0), "message 1 (system)", "changed"),
        (lambda parts: other(parts, 1), "message 2 (user)", "changed"),
        (lambda parts: other(other(parts, 1), 2), "message 2 (user)", "changed"),
        (lambda parts: other(parts, 1, "message 2 (tool)", parts[1][1]), "message 2 (tool)", "changed"),
        (lambda parts: other(parts, 2), "settings", "changed"),
        (lambda parts: parts[:2], "settings", "missing"),
        (lambda parts: (parts[0], parts[2]), "message 2 (user)", "missing"),
        (lambda parts: (*parts[:2], ("message 3 (user)", "0" * 32), parts[2]), "message 3 (user)", "added"),
        (lambda parts: (parts[1], parts[0], parts[2]), "message 2 (user)", "changed"),
        (lambda parts: (), "message 1 (system)", "missing"),
    ],
)
async def test_a_changed_request_is_named(store, step, change, label, how, reopened):
    key = Key("attempt-1", "editing", 0)
    journal = store.journal("run-1", "task")
    written = step(key, ASKED)
    await journal.append(written, ASKED)
    if reopened:
        journal = store.journal("run-1", "task")
    with pytest.raises(StepChanged) as caught:
        journal.recall(key, change(written.parts))
    assert (caught.value.key, caught.value.label, caught.value.how) == (key, label, how)
    assert str(caught.value).startswith(f"{label} of step attempt-1/editing/0 ")
    assert journal.recall(key, written.parts) == written


async def test_a_step_is_written_once(store, step):
    journal, twin = store.journal("run-1", "task"), store.journal("run-1", "task")
    written = step(Key("a", "b", 0), ASKED, '"first"')
    await journal.append(written, ASKED)
    for writer in (journal, twin):  # one knows the step, the other one learns of it from the database
        with pytest.raises(StoreError, match="already"):
            await writer.append(step(Key("a", "b", 0), ASKED, '"second"'), ASKED)
    both = await asyncio.gather(
        *(journal.append(step(Key("a", "b", 1), ASKED), ASKED) for _ in range(2)), return_exceptions=True
    )
    assert [type(outcome) for outcome in both] == [type(None), StoreError]
    assert [read.answer for read in store.steps("run-1")] == ['"first"', "{}"]


async def test_tasks_and_runs_do_not_mix(store, step):
    store.create_run("run-2", config="{}", kind="solve")
    for run, task in (("run-1", "one"), ("run-1", "two"), ("run-2", "one")):
        journal = store.journal(run, task)
        assert not journal.has("a")
        await journal.append(step(Key("a", "b", 0), ASKED, f'"{run} {task}"'), ASKED)
    assert [read.answer for read in store.steps("run-1")] == ['"run-1 one"', '"run-1 two"']
    assert [read.answer for read in store.steps("run-1", "two")] == ['"run-1 two"']
    assert [read.answer for read in store.steps("run-2", "one", "a")] == ['"run-2 one"']
    assert list(store.steps("run-2", "one", "b")) == []


async def test_an_unknown_run_is_refused(store, step):
    with pytest.raises(StoreError, match="no such run"):
        await store.journal("nowhere", "task").append(step(Key("a", "b", 0), ASKED), ASKED)
    assert list(store.steps("nowhere")) == []


async def test_a_cancelled_append_is_written_all_the_same(store, step):
    journal = store.journal("run-1", "task")
    for index in range(20):
        written = step(Key("a", "b", index), ASKED)
        task = asyncio.create_task(journal.append(written, ASKED))
        await asyncio.sleep(0)  # it is in the writer's queue now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert journal.recall(written.key, written.parts) == written
    assert len(list(store.steps("run-1"))) == 20


async def test_settings_anywhere_but_last_are_refused(store, step):
    journal = store.journal("run-1", "task")
    for texts in (ASKED[::-1], (*ASKED, ASKED[-1])):
        with pytest.raises(ValueError, match="settings"):
            await journal.append(step(Key("a", "b", 0), texts), texts)
    with pytest.raises(ValueError, match="3 parts and 2 texts"):
        await journal.append(step(Key("a", "b", 0), ASKED), ASKED[:2])


async def test_a_conversation_of_300_turns_grows_by_what_is_new(store, file, step):
    """Sizes of the file after 100, 200 and 300 turns: the third hundred costs what the second did."""
    journal = store.journal("run-1", "task")
    sizes, texts = [], []
    for turn in range(300):
        texts.append(Part(f"message {turn} (user)", f"turn {turn} " + "some words " * 50))
        asked = (*texts, Part("settings", "{}"))
        await journal.append(step(Key("a", "editing", turn), asked, '"answer"'), asked)
        if turn % 100 == 99:
            with sqlite3.connect(file) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            sizes.append(file.stat().st_size)
    with sqlite3.connect(file) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("nodes", "texts")
        ]
    connection.close()
    assert counts == [300, 301]
    assert sizes[2] - sizes[1] < 1.3 * (sizes[1] - sizes[0])
    assert sizes[2] < 300 * 2000
    *_, last = store.steps("run-1")
    assert store.texts(last) == [*texts, Part("settings", "{}")]


async def test_attempts_share_their_first_messages(store, file, step):
    journal = store.journal("run-1", "task")
    shared = Part("message 1 (system)", "whole files " * 10_000)
    for attempt in range(50):
        asked = (shared, Part("message 2 (user)", f"attempt {attempt}"), Part("settings", "{}"))
        await journal.append(step(Key(f"attempt-{attempt}", "editing", 0), asked), asked)
    assert sum(part.stat().st_size for part in file.parent.iterdir() if "shm" not in part.name) < 3_000_000
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (51,)
        assert connection.execute("SELECT count(*) FROM texts WHERE packed IS NOT NULL").fetchone() == (1,)
    connection.close()


async def test_more_steps_than_a_page_come_in_order(store, step):
    journal = store.journal("run-1", "task")
    asked = [(Part("command", f"run {index}"),) for index in range(1201)]
    await asyncio.gather(
        *(journal.append(step(Key("a", "b", index), texts), texts) for index, texts in enumerate(asked))
    )
    reading = store.steps("run-1")
    first = next(reading)
    await journal.append(step(Key("a", "late", 0), asked[0]), asked[0])
    rest = list(reading)
    assert [read.key.index for read in (first, *rest)] == list(range(1201))
    assert store.texts(rest[-1]) == list(asked[-1])


parts_of_branches = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=6), min_size=1, max_size=6
)


@given(parts_of_branches)
def test_chains_are_what_their_parts_say_and_nothing_else(requests):
    """Whatever was asked before on a branch, a chain depends on its own parts alone, and leads back to them."""
    nodes, before, prefixes = {}, ((), []), {}
    for request in map(tuple, requests):
        made = chain(request, before)
        assert made == chain(request)
        before = (request, made)
        for place, node in enumerate(made):
            nodes[node] = (made[place - 1] if place else None, *request[place])
            assert prefixes.setdefault(request[: place + 1], node) == node
        assert walk(nodes, made[-1] if made else None, None) == request
    assert len(nodes) == len(prefixes)


@given(st.text(st.characters(), max_size=20), st.integers(1, 200))
@settings(max_examples=200)
def test_packing_loses_nothing(text, times):
    plain, packed = pack(text * times)
    assert (plain is None) != (packed is None)
    assert unpack(plain, packed) == text * times
    storable(text).encode()
