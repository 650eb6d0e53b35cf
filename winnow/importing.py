"""Predictions of other systems as a run of Winnow's: candidates that can be graded, chosen among and reported."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import Candidate, Ending
from environments.datasets import BadRow, Dataset, DatasetError
from store import Store

from .importing_patches import look_at
from .importing_read import Prediction, Read, read_predictions
from .stored import instance_to_json, to_json

KIND = "import"
AT_ONCE = 200
"""Candidates that wait for one flush to disk together."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. new, replaced: candidates written. issues: tasks of the run; predicted: those with one.

    unknown: ids that the dataset does not have, with the nearest that it does. bad: rows that are none. repeated: rows
    that a later one took the place of, `same` of them with the same patch. remarks: how patches look, by remark the
    places of the rows. claims: candidates whose published outcome was kept; claimed: those that have one.
    """

    run: str
    sources: Mapping[str, int]
    new: int
    replaced: int
    issues: int
    predicted: int
    unknown: tuple[tuple[str, str], ...]
    bad: tuple[BadRow, ...]
    repeated: tuple[str, ...]
    same: int
    remarks: Mapping[str, tuple[str, ...]]
    claims: int
    claimed: int


def import_predictions(
    store: Store,
    run: str,
    files: Sequence[Path],
    dataset: Dataset,
    *,
    published: bool = False,
    predicted_only: bool = False,
) -> Imported:
    """Write the predictions of `files` into the run `run`, which is made where there is none.

    Every issue of the dataset becomes a task, so that one without a prediction counts as not resolved, unless
    predicted_only. published: keep outcomes that the files claim. Raises DatasetError where no row can be used or the
    run is no import, and RunBusy where somebody works on it.
    """
    read = read_predictions(files)
    known = {instance.id: instance for instance in dataset.instances}
    usable = [each for each in read.predictions if each.instance in known]
    unknown = sorted({each.instance for each in read.predictions} - known.keys())
    if not usable:
        raise DatasetError(_nothing(read, unknown, dataset))
    _make_run(store, run, files, dataset)
    with store.lease(run):
        there = set(store.task_names(run))
        predicted = {each.instance for each in usable}
        wanted = [
            i for i in dataset.instances if i.id not in there and (i.id in predicted or not predicted_only)
        ]
        store.put_tasks(run, {i.id: instance_to_json(i) for i in wanted})
        before = {(row.task, row.trajectory) for row in store.endings(run)}
        asyncio.run(_write(store, run, usable, published))
        store.set_run(run, status="finished", ended=store.run(run).started)
    return Imported(
        run=run,
        sources=dict(Counter(each.source for each in usable)),
        new=sum((each.instance, each.source) not in before for each in usable),
        replaced=sum((each.instance, each.source) in before for each in usable),
        issues=len(there) + len(wanted),
        predicted=len(predicted),
        unknown=tuple((name, _nearest(name, known)) for name in unknown),
        bad=tuple(read.bad),
        repeated=tuple(read.repeated),
        same=read.same,
        remarks=_remarks(usable),
        claims=sum(each.published is not None for each in usable) if published else 0,
        claimed=sum(each.published is not None for each in usable),
    )


def _make_run(store: Store, run: str, files: Sequence[Path], dataset: Dataset) -> None:
    try:
        row = next(row for row in store.runs() if row.run == run)
    except StopIteration:
        said = {"name": dataset.name, "digest": dataset.digest, "source": dataset.source}
        config = {"dataset": said, "import": {"files": [file.name for file in files]}}
        store.create_run(run, config=json.dumps(config), kind=KIND)
        return
    if row.kind != KIND:
        raise DatasetError(
            f"run {run} is a {row.kind}, not an import: give --as another name, predictions are kept apart from runs"
        )


async def _write(store: Store, run: str, usable: Sequence[Prediction], published: bool) -> None:
    for start in range(0, len(usable), AT_ONCE):
        await asyncio.gather(
            *(_keep(store, run, each, published) for each in usable[start : start + AT_ONCE])
        )


async def _keep(store: Store, run: str, each: Prediction, published: bool) -> None:
    candidate = Candidate(
        each.source, each.patch, ending=Ending.FINISHED, detail=f"imported from {each.place}"
    )
    await store.put_trajectory(
        run,
        each.instance,
        each.source,
        ending=Ending.FINISHED,
        is_result=True,
        detail=candidate.detail,
        body=to_json(candidate),
    )
    if published and each.published is not None:
        claim = {"resolved": each.published, "column": each.claim, "place": each.place}
        await store.put_result(run, each.instance, "published", each.source, json.dumps(claim))


def _remarks(usable: Iterable[Prediction]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for each in usable:
        for remark in look_at(each.patch).remarks:
            found.setdefault(remark, []).append(f"{each.instance} {each.source}")
    return {remark: tuple(names) for remark, names in sorted(found.items(), key=lambda item: -len(item[1]))}


def _nothing(read: Read, unknown: Sequence[str], dataset: Dataset) -> str:
    if unknown:
        return (
            f"none of the {len(unknown)} instance ids is one of the dataset {dataset.name}'s, such as {unknown[0]}: "
            "is it another dataset's file?"
        )
    first = f", first of all {read.bad[0]}" if read.bad else ""
    return f"there is no prediction in these files{first}"


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, 1)), "")
