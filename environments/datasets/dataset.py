"""What reading a dataset gives: its good rows in two halves, its bad rows by name, and a digest of the selection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..instance import Instance, Reference

_NOT_CONTENT = ("place", "notes")


class DatasetError(Exception):
    """A dataset or a selection that cannot be had. The message is one sentence that says what, where, what to do."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out. place: "FILE, line 7". sentence: what is wrong with it. id: "" where it has none."""

    place: str
    sentence: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The selected rows of a dataset, in the order in which they are to be worked on.

    name: as the user gave it. references: by instance id, for grading alone; a row that says nothing of its answer has
    none. bad: every bad row of the dataset, selected or not (most have no id to select by). digest: over the contents
    of the selected rows, in any order, wherever they were read from. schema: whose columns they were read as.
    source: the file, folder and split, or Hugging Face id with its commit and split.
    """

    name: str
    instances: tuple[Instance, ...]
    references: Mapping[str, Reference]
    bad: tuple[BadRow, ...] = ()
    digest: str = ""
    schema: str = ""
    source: str = ""


def digest_of(instances: tuple[Instance, ...], references: Mapping[str, Reference]) -> str:
    """SHA-256 (hex) over what the rows say, whatever their order, file and line.

    Only fields that say something count, so that a field that Winnow learns later changes no old digest.
    """
    rows = (json.dumps([_said(each), _said(references.get(each.id))], sort_keys=True) for each in instances)
    digests = sorted(hashlib.sha256(row.encode()).hexdigest() for row in rows)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _said(part: Instance | Reference | None) -> dict[str, Any] | None:
    if part is None:
        return None
    said = {each.name: getattr(part, each.name) for each in fields(part) if each.name not in _NOT_CONTENT}
    default = {each.name: each.default for each in fields(part)}
    return {name: value for name, value in said.items() if value not in (default[name], {})}
