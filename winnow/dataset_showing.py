"""`winnow datasets`: the table of aliases, and what one dataset has in it. Nothing here shows a row's answer."""

from __future__ import annotations

from collections import Counter

from environments import Dataset, Instance, Pick, dataset_schemas, read_dataset

from .shown_streams import say

_MOST = 12  # repositories that are listed one by one
_BAD_SHOWN = 20


def list_aliases() -> None:
    """Print every alias with the Hugging Face id and split that it means, and where its schema was read."""
    schemas = dataset_schemas()
    ids = [f"{schema.hub[0]}:{schema.split}" for schema in schemas]
    width = max(map(len, ids))
    for schema, means in zip(schemas, ids, strict=True):
        say(f"{schema.alias:<20} {means:<{width}}  schema from {schema.source}")
    say("Any other file, folder or Hugging Face id is read by the usual columns of SWE-bench.")


def describe(name: str, pick: Pick, *, only_ids: bool = False) -> None:
    """Print what the selected rows are, and every bad row. Raises DatasetError."""
    dataset = read_dataset(name, pick)
    if only_ids:
        for instance in dataset.instances:
            say(instance.id)
        return
    for label, said in _facts(dataset):
        say(f"{label + ':':<14}{said}")
    for bad in dataset.bad[:_BAD_SHOWN]:
        say(f"  left out: {bad}")
    if len(dataset.bad) > _BAD_SHOWN:
        say(f"  ... and {len(dataset.bad) - _BAD_SHOWN} more")


def _facts(dataset: Dataset) -> list[tuple[str, str]]:
    rows = dataset.instances
    with_image = sum(bool(each.image) for each in rows)
    runnable = sum(bool(each.test_command) for each in rows)
    created = sorted(each.created[:10] for each in rows if each.created)
    facts = [
        ("dataset", dataset.source),
        ("read as", dataset.schema or "the usual columns of SWE-bench"),
        ("selected", f"{len(rows)} rows, digest {dataset.digest[:16]}"),
        ("bad rows", str(len(dataset.bad))),
        ("references", f"{len(dataset.references)} of the selected rows can be graded"),
        ("repositories", _counted(Counter(each.repo for each in rows))),
        ("languages", _counted(Counter(each.language or "not said" for each in rows))),
        ("images", f"{with_image} rows name one, {len(rows) - with_image} are built"),
        ("test command", f"in {runnable} rows"),
    ]
    if created:
        facts.append(("dates", f"{created[0]} to {created[-1]}"))
    return facts + [("note", f"{said} ({count} rows)") for said, count in _notes(rows).most_common()]


def _notes(rows: tuple[Instance, ...]) -> Counter[str]:
    return Counter(note for each in rows for note in each.notes)


def _counted(counts: Counter[str]) -> str:
    listed = ", ".join(f"{name} {count}" for name, count in counts.most_common(_MOST))
    more = len(counts) - _MOST
    return (listed + (f" and {more} more" if more > 0 else "")) or "none"
