"""Predictions as other systems write them: rows of an instance id, a name and a patch, in one file or several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from environments.datasets import BadRow, Row, WrongRow, rows_of

_SOURCE = ("source", "model_name_or_path", "model")
"""Columns that name who made a patch: the first that a row has. model_name_or_path is the official one."""
_PATCH = ("model_patch",)
"""Only this: a column called "patch" is a dataset's reference, which must never come in as a prediction."""
_OUTCOME = ("resolved_here", "resolved")
"""Columns with a published outcome, the more trustworthy first."""
_LONGEST = 120
"""Characters of a candidate's name: it becomes part of file names."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row. source: its candidate's name. published: the outcome that the row claims, None where it claims none;
    claim: the column that does.
    """

    place: str
    instance: str
    source: str
    patch: str
    published: bool | None = None
    claim: str = ""


@dataclass(slots=True)
class Read:
    """What came out of the files. repeated: rows whose issue and source a later row has too; same: with its patch."""

    predictions: list[Prediction] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    same: int = 0


def read_predictions(files: Sequence[Path]) -> Read:
    """Read JSON, JSON lines or gzipped files of predictions, as lists or by instance id.

    A name that more than one file has stands for different candidates: NAME@1, NAME@2, by the files' order. Within a
    file the last row of an issue and source counts, as in the official harness. Raises DatasetError for a file that
    cannot be read at all.
    """
    read = Read()
    by_file = [list(_predictions(file, read)) for file in files]
    names = Counter(name for found in by_file for name in {each.source for each in found})
    for number, found in enumerate(by_file, 1):
        if len(files) > 1:
            found = [
                replace(each, source=f"{each.source}@{number}") if names[each.source] > 1 else each
                for each in found
            ]
        read.predictions += _last_of_each(found, read)
    return read


def _predictions(file: Path, read: Read) -> Iterator[Prediction]:
    for row in rows_of(file, file.name):
        if isinstance(row, BadRow):
            read.bad.append(row)
            continue
        try:
            yield _prediction(row, file)
        except WrongRow as error:
            read.bad.append(BadRow(row.place, str(error), str(row.values.get("instance_id") or "")))


def _prediction(row: Row, file: Path) -> Prediction:
    if not any(name in row.values for name in _PATCH):
        hint = ": a column patch is a dataset's reference, not a prediction" if "patch" in row.values else ""
        raise WrongRow(f"column model_patch is missing{hint}")
    instance = row.needed("instance_id").strip()
    claim = next((name for name in _OUTCOME if isinstance(row.values.get(name), bool)), "")
    return Prediction(
        row.place,
        instance,
        _tame(row.text(*_SOURCE) or file.name.split(".")[0]),
        row.text(*_PATCH),
        row.values[claim] if claim else None,
        claim,
    )


def _last_of_each(found: Iterable[Prediction], read: Read) -> list[Prediction]:
    kept: dict[tuple[str, str], Prediction] = {}
    for each in found:
        before = kept.pop((each.instance, each.source), None)
        if before is not None:
            read.repeated.append(before.place)
            read.same += before.patch == each.patch
        kept[each.instance, each.source] = each
    return list(kept.values())


def _tame(name: str) -> str:
    """A name without blanks, control characters and steps upwards, and not endless."""
    name = re.sub(r"[^\w.@+/=:-]+", "-", name.strip())
    name = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
    name = re.sub(
        r"^(redone-\d+/|selection-|context$)", r"from-\1", name
    )  # names that Winnow gives a meaning
    return name[:_LONGEST].strip("-/") or "unnamed"
