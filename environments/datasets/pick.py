"""Which rows of a dataset are worked on, and in which order."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..instance import Instance
from .dataset import DatasetError
from .row import Row

_FIELD = re.compile(r"([A-Za-z_]\w*)(!=|=|~)(.*)", re.DOTALL)
_SLICE = re.compile(r"(-?\d{0,18}):(-?\d{0,18})(?::(-?\d{0,18}))?")
_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")
_FIELDS = {each.name for each in fields(Instance)}


@dataclass(frozen=True, slots=True)
class Pick:
    """A selection, applied in the order of these fields. The default takes every row as the dataset has them.

    instances: a file of ids, one a line, whose order is taken; blank lines and those that start with "#" are skipped.
    filter: one or several, all of which must hold: a regular expression that is found in the id, or a comparison
    "field=value", "field!=value", "field~regular expression" with a field of `Instance` or a column of the row.
    shuffle: a seed; an order that depends on nothing but the seed and the ids. slice: as Python's, "start:stop:step".
    shard: "K/N", the K-th (from 1) of N parts: by the id alone, so parts are disjoint, together everything, and a row
    stays in its part whatever else is selected. Raises DatasetError where one of them cannot be understood.
    """

    instances: Path | str | None = None
    filter: str | tuple[str, ...] = ()
    shuffle: int | None = None
    slice: str = ""
    shard: str = ""

    def __post_init__(self) -> None:
        for each in self.filters():
            _Test(each)
        self.sliced()
        self.part()

    def filters(self) -> tuple[str, ...]:
        """The filters one by one."""
        return tuple(
            each for each in ((self.filter,) if isinstance(self.filter, str) else self.filter) if each
        )

    def sliced(self) -> slice:
        """The slice as Python has it."""
        if not self.slice:
            return slice(None)
        match = _SLICE.fullmatch(self.slice.strip())
        wrong = (
            f"the slice {self.slice!r} cannot be understood: write it as in Python, such as 0:50, -10: or ::2"
        )
        if match is None or "-" in match.groups():
            raise DatasetError(wrong)
        start, stop, step = (int(part) if part else None for part in match.groups())
        if step == 0:
            raise DatasetError(wrong)
        return slice(start, stop, step)

    def part(self) -> tuple[int, int]:
        """(K, N) of the shard, (1, 1) for everything."""
        if not self.shard:
            return 1, 1
        match = _SHARD.fullmatch(self.shard.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise DatasetError(
                f"the shard {self.shard!r} cannot be understood: write K/N with K from 1 to N, such as 2/8"
            )
        return int(match[1]), int(match[2])

    def in_shard(self, instance_id: str) -> bool:
        """Whether the id belongs to the shard."""
        part, parts = self.part()
        return parts == 1 or _number(instance_id) % parts == part - 1


class Sieve:
    """What a `Pick` does to rows while they are read (`keeps`), and to all that were kept (`arrange`)."""

    def __init__(self, pick: Pick, shown: str):
        self._pick, self._shown = pick, shown
        self._tests = [_Test(each) for each in pick.filters()]
        self._wanted = _ids_in(Path(pick.instances)) if pick.instances else None
        self._columns: set[str] = set()

    def keeps(self, instance: Instance, row: Row) -> bool:
        """Whether the row is named by the file of ids (if there is one) and passes every filter."""
        if self._tests:
            self._columns.update(row.values)
        wanted = self._wanted is None or instance.id in self._wanted
        return wanted and all(test.holds(instance, row) for test in self._tests)

    def arrange(
        self, kept: Iterable[Instance], known: Sequence[str], bad: Iterable[str]
    ) -> tuple[Instance, ...]:
        """In the order wanted, sliced and sharded. known, bad: ids of all good and of all bad rows.

        Raises DatasetError for ids and fields that the dataset lacks, and where nothing is left before sharding.
        """
        self._refuse_unknown(known, set(bad))
        chosen = list(kept)
        if self._wanted is not None:
            order = self._wanted
            chosen.sort(key=lambda instance: order[instance.id])
        if (seed := self._pick.shuffle) is not None:
            chosen.sort(key=lambda instance: _number(f"{seed}\n{instance.id}"))
        sliced = chosen[self._pick.sliced()]
        if known and not sliced:
            why = (
                f"the slice {self._pick.slice} leaves none of {len(chosen)}"
                if chosen
                else f"no row passes {' and '.join(map(repr, self._pick.filters())) or self._pick.instances}"
            )
            raise DatasetError(
                f"nothing of {self._shown} is selected: {why} (it has {len(known)} usable rows)"
            )
        return tuple(each for each in sliced if self._pick.in_shard(each.id))

    def _refuse_unknown(self, known: Sequence[str], bad: set[str]) -> None:
        ids = set(known) | bad
        unknown = [each for each in self._wanted or () if each not in ids]
        if unknown:
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            line = (self._wanted or {})[unknown[0]]
            raise DatasetError(
                f"{self._pick.instances}, line {line}: {self._shown} has no instance {unknown[0]!r}{more}"
                f"{_nearest(unknown[0], known)}"
            )
        for test in self._tests:
            if known and test.field and test.field not in self._columns | _FIELDS:
                near = _nearest(test.field, sorted(self._columns | _FIELDS))
                raise DatasetError(f"{self._shown} has no field {test.field!r} to filter by{near}")


class _Test:
    """One filter."""

    def __init__(self, said: str):
        match = _FIELD.fullmatch(said)
        self.field, self._how, self._value = match.groups() if match else ("", "~", said)
        try:
            self._pattern = re.compile(self._value) if self._how == "~" else None
        except (re.error, RecursionError, OverflowError) as error:
            raise DatasetError(f"the filter {said!r} is no regular expression: {error}") from None

    def holds(self, instance: Instance, row: Row) -> bool:
        value = _as_text(instance, row, self.field or "id")
        if self._pattern is not None:
            return self._pattern.search(value) is not None
        return (value == self._value) == (self._how == "=")


def _as_text(instance: Instance, row: Row, name: str) -> str:
    value: Any = getattr(instance, name) if name in _FIELDS else row.values.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, default=str)


def _ids_in(file: Path) -> dict[str, int]:
    """Line numbers by id."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise DatasetError(f"the file of instances {file} cannot be read: {why}") from None
    found: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if (name := line.strip()) and not name.startswith("#"):
            found.setdefault(name, number)
    if not found:
        raise DatasetError(f"the file of instances {file} names none: write one id a line")
    return found


def _nearest(wrong: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(wrong, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _number(text: str) -> int:
    """A number that depends on the text alone, in every process and version of Python."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
