"""From a name to a `Dataset`: find the files, read the rows by their schema, keep what was picked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ..instance import Instance, Reference
from .aliases import SCHEMAS, by_alias, by_columns, by_hub_id
from .dataset import BadRow, Dataset, DatasetError, digest_of
from .files import rows_of
from .folder import files_of_split
from .hub import HubName, fetched, hub_name
from .pick import Pick, Sieve
from .row import Row, WrongRow
from .schema import Schema


def read_dataset(name: str, selection: Pick | None = None, *, folder: Path | None = None) -> Dataset:
    """The selected rows of the dataset that `name` is.

    name: an alias ("verified", "lite:dev"); a file or a folder; "alias=FILE" for a file whose rows are that alias's; or
    a Hugging Face id ("owner/name[@revision][:split]"). An alias goes before a file of that name: write ./lite for the
    file. folder: where copies from the hub are kept, None for huggingface_hub's own cache. Bad rows are in the result;
    raises DatasetError where there is no such dataset, where nothing of it can be used, or nothing is selected.
    """
    pick = selection or Pick()
    found = _find(name, folder)
    sieve = Sieve(pick, name)
    reading = _Reading(found.schema)
    kept: dict[str, tuple[Instance, Reference]] = {}
    for instance, reference, row in reading.rows(chain.from_iterable(found.rows())):
        if sieve.keeps(instance, row):
            kept[instance.id] = instance, reference
    if not reading.places:
        first = f", first of all {reading.bad[0]}" if reading.bad else ""
        raise DatasetError(f"{name} has no usable row{first}")
    instances = sieve.arrange(
        (instance for instance, _ in kept.values()), tuple(reading.places), (each.id for each in reading.bad)
    )
    references = {each.id: kept[each.id][1] for each in instances if _answers(kept[each.id][1])}
    return Dataset(
        name=name,
        instances=instances,
        references=references,
        bad=tuple(reading.bad),
        digest=digest_of(instances, references),
        schema=reading.schema.alias if reading.schema else "",
        source=found.source,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a dataset's rows are. schema: None where the columns of the first good row decide."""

    source: str
    files: tuple[tuple[Path, str], ...]
    schema: Schema | None = None

    def rows(self) -> Iterator[Iterator[Row | BadRow]]:
        return (rows_of(path, shown) for path, shown in self.files)


def _find(name: str, cache: Path | None) -> _Found:
    alias, equals, path = name.partition("=")
    if equals and (schema := by_alias(alias)):
        return _on_disk(path, schema) or _no_such(path)
    alias, _, rest = name.partition(":")
    alias, _, revision = alias.partition("@")
    if schema := by_alias(alias):
        at = f"@{revision}" if revision else ""
        wanted = hub_name(f"{schema.hub[0]}{at}:{rest or schema.split}")
        return _on_hub(wanted, schema, cache) if wanted else _no_such(name)
    if found := _on_disk(name, None):
        return found
    wanted = hub_name(name)
    if wanted is None or name.startswith((".", "/", "~")):
        return _no_such(name)
    schema = by_hub_id(wanted.id)
    if schema and not wanted.split:
        wanted = HubName(wanted.id, wanted.revision, schema.split, wanted.config)
    return _on_hub(wanted, schema, cache)


def _on_disk(name: str, schema: Schema | None) -> _Found | None:
    """A file, or a folder with or without ":split" or ":configuration/split" after it; None where there is none."""
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return _in_folder(path, "", "", schema)
        if path.exists():
            return _Found(name, ((path, name),), schema)
        before, colon, split = name.rpartition(":")
        path = Path(before).expanduser()
        if colon and before and path.is_dir():
            config, slash, rest = split.partition("/")
            return _in_folder(path, rest if slash else split, config if slash else "", schema)
    except (OSError, ValueError, RuntimeError):
        pass  # a text that cannot be a path: too long, a NUL in it, an unknown ~user
    return None


def _in_folder(folder: Path, split: str, config: str, schema: Schema | None) -> _Found:
    taken, files = files_of_split(folder, split, config)
    return _Found(f"{folder}:{taken}", tuple((file, str(file)) for file in files), schema)


def _on_hub(name: HubName, schema: Schema | None, cache: Path | None) -> _Found:
    copy = fetched(name, cache)
    taken, files = files_of_split(copy, name.split, name.config, name.id)
    shown = tuple((file, f"{name.id}/{file.relative_to(copy).as_posix()}") for file in files)
    return _Found(f"{name.id}@{copy.name}:{taken}", shown, schema)


def _no_such(name: str) -> _Found:
    near = difflib.get_close_matches(name, [schema.alias for schema in SCHEMAS], 1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else "name a file, a folder, owner/name on Hugging Face, or an alias"
    )
    raise DatasetError(f"there is no dataset {name!r}: {hint} (`winnow datasets` lists the aliases)")


class _Reading:
    """The pass over all rows: it tells good from bad, and knows every id that it has seen."""

    def __init__(self, schema: Schema | None):
        self.schema = schema
        self.bad: list[BadRow] = []
        self.places: dict[str, str] = {}

    def rows(self, rows: Iterable[Row | BadRow]) -> Iterator[tuple[Instance, Reference, Row]]:
        """The good rows, in order."""
        for row in rows:
            if isinstance(row, BadRow):
                self.bad.append(row)
                continue
            schema = self.schema or by_columns(row)
            try:
                instance, reference = schema.read(row)
                if instance.id in self.places:
                    raise WrongRow(f"the id {instance.id} is already that of {self.places[instance.id]}")
            except WrongRow as error:
                self.bad.append(BadRow(row.place, str(error), _id(row)))
                continue
            self.places[instance.id] = row.place
            self.schema = schema  # the first good row decides for the rest
            yield instance, reference, row


def _id(row: Row) -> str:
    said = row.values.get("instance_id")
    return said if isinstance(said, str) else ""


def _answers(reference: Reference) -> bool:
    """Whether a row says anything that a patch could be graded by."""
    return bool(reference.patch or reference.fail_to_pass or reference.eval_script or reference.test_command)
