"""The public datasets that Winnow knows by name, each with the function that reads its rows."""

from __future__ import annotations

from .row import Row
from .schema import Schema
from .usual import usual

USUAL = Schema("", (), "", usual, "the dataset card of SWE-bench/SWE-bench_Verified")

SCHEMAS: tuple[Schema, ...] = ()


def by_alias(alias: str) -> Schema | None:
    """The dataset that is called so, None where none is."""
    return next((schema for schema in SCHEMAS if schema.alias == alias), None)


def by_hub_id(name: str) -> Schema | None:
    """The dataset with this Hugging Face id, whatever the case of its letters."""
    return next((each for each in SCHEMAS if name.lower() in map(str.lower, each.hub)), None)


def by_columns(row: Row) -> Schema:
    """The dataset that a row's columns tell, the usual ones where they tell none."""
    return next((each for each in SCHEMAS if each.columns and each.columns <= set(row.values)), USUAL)
