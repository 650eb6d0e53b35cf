"""The journal of one task: every step by its key, in memory to be recalled, on disk before it is seen.

One journal of a task is open at a time, in the process that holds the run's lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from sqlalchemy import select

from store import schema
from store.database import Database
from store.errors import StepChanged, StoreError
from store.lease import Leases
from store.rows import Key, Part, Redact, Step
from store.steps import row_of, step_of, without_parts
from store.texts import SETTINGS, Parts, chain, pack, read_nodes, split, walk
from store.writer import Rows, Writer


class Journal:
    """Asked first (`recall`), written after (`append`). All calls from one event loop."""

    def __init__(
        self, database: Database, writer: Writer, leases: Leases, run: str, task: str, redact: Redact = str
    ):
        self.run = run
        self.task = task
        self._redact = redact
        self._writer = writer
        self._leases = leases
        self._steps: dict[Key, tuple[Step, str | None, str | None]] = {}
        self._latest: dict[tuple[str, str], tuple[Parts, list[str]]] = {}
        with database.read() as connection:
            where = (schema.steps.c.run == run) & (schema.steps.c.task == task)
            self._nodes = read_nodes(connection, select(schema.steps.c.tip).where(where))
            for row in connection.execute(select(schema.steps).where(where).order_by(schema.steps.c.id)):
                step = step_of(row, ())
                self._steps[step.key] = (step, row.tip, row.settings)
        self._texts = {digest for _, _, digest in self._nodes.values()}
        self._texts.update(settings for _, _, settings in self._steps.values() if settings)
        self._trajectories = {key.trajectory for key in self._steps}

    def recall(self, key: Key, parts: Sequence[tuple[str, str]]) -> Step | None:
        """The step at `key`, None where there is none yet. parts: (label, digest) of the request now asked.

        Raises StepChanged where the stored request differs, naming the first part that does.
        """
        found = self._steps.get(key)
        if found is None:
            return None
        step, tip, settings = found
        asked, asked_settings = split(parts)
        nodes = self._chain(key, asked)
        if (nodes[-1] if nodes else None) == tip and asked_settings == settings:
            return replace(step, parts=tuple(parts))
        raise _changed(key, walk(self._nodes, tip, None), settings, asked, asked_settings)

    async def append(self, step: Step, texts: Sequence[Part]) -> None:
        """Write a step, whose parts' texts are `texts`, in order. It is on disk when this returns, cancelled
        or not.

        A text is kept under its part's digest; what is there already under that digest stays. Raises
        StoreError where it cannot be written (disk full, say: what was written before is kept), where the key
        has a step already (somebody else writes this run), and RunBusy where this process has lost the run.
        """
        key = step.key
        if len(step.parts) != len(texts):
            raise ValueError(f"step {key} has {len(step.parts)} parts and {len(texts)} texts")
        if key in self._steps:
            raise self._twice(key)
        parts, settings = split(step.parts)
        nodes = self._chain(key, parts)
        new = len(nodes)
        while new and nodes[new - 1] not in self._nodes:  # what is known has known ancestors
            new -= 1
        fresh = {
            node: (nodes[place - 1] if place else None, *parts[place])
            for place, node in enumerate(nodes[new:], start=new)
        }
        wanted = {parts[place][1]: texts[place].text for place in range(new, len(parts))}
        if settings is not None:
            wanted[settings] = texts[-1].text
        if (answer := self._redact(step.answer)) != step.answer:
            step = replace(step, answer=answer)
        wanted = {digest: self._redact(text) for digest, text in wanted.items() if digest not in self._texts}
        tip = nodes[-1] if nodes else None

        def rows() -> Rows:
            self._leases.check(self.run)
            return {
                "texts": [_text_row(digest, text) for digest, text in wanted.items()],
                "nodes": [
                    {"node": node, "parent": parent, "label": label, "digest": digest}
                    for node, (parent, label, digest) in fresh.items()
                ],
                "steps": [row_of(self.run, self.task, step, tip, settings)],
            }

        def written() -> None:
            self._nodes.update(fresh)
            self._texts.update(wanted)
            self._steps[key] = (without_parts(step), tip, settings)
            self._trajectories.add(key.trajectory)

        await self._writer.put(rows, written)

    def has(self, trajectory: str) -> bool:
        """Whether any step of this trajectory is written."""
        return trajectory in self._trajectories

    def _chain(self, key: Key, parts: Parts) -> list[str]:
        branch = (key.trajectory, key.branch)
        nodes = chain(parts, self._latest.get(branch, ((), [])))
        self._latest[branch] = (parts, nodes)
        return nodes

    def _twice(self, key: Key) -> StoreError:
        return StoreError(
            f"Step {key} of task {self.task} in run {self.run} is written already: nothing was changed"
        )


def _text_row(digest: str, text: str) -> dict[str, Any]:
    plain, packed = pack(text)
    return {"digest": digest, "text": plain, "packed": packed}


def _changed(
    key: Key, was: Parts, was_settings: str | None, now: Parts, now_settings: str | None
) -> StepChanged:
    for before, after in zip_longest(was, now):
        if before != after:
            how = "added" if before is None else "missing" if after is None else "changed"
            return StepChanged(key, (after or before)[0], how)
    how = "added" if was_settings is None else "missing" if now_settings is None else "changed"
    return StepChanged(key, SETTINGS, how)
