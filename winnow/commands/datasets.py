"""`winnow datasets`: which datasets are known by name, and what one of them has in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: winnow datasets verified --filter repo=django/django"


def command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASET]",
            help="A file, a folder, owner/name[@revision][:split], an alias, or alias=FILE.",
        ),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="TEXT", help="A regular expression in the id, or field=, != or ~value."
        ),
    ] = None,
    part: Annotated[str, typer.Option("--slice", metavar="A:B:C", help="As in Python.")] = "",
    instances: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ids, one a line; their order is taken.")
    ] = None,
    shuffle: Annotated[int | None, typer.Option(metavar="SEED", help="Another order, by this seed.")] = None,
    shard: Annotated[str, typer.Option(metavar="K/N", help="The K-th of N parts.")] = "",
    ids: Annotated[bool, typer.Option("--ids", help="Print the selected ids and nothing else.")] = False,
) -> None:
    """List the datasets known by an alias, or describe one: its rows, those that are bad, repositories, images.

    Nothing of a row's answer is shown. The same options select rows in `winnow run`.
    """
    from ..dataset_showing import describe, list_aliases

    if name is None:
        list_aliases()
        return
    from environments import Pick

    pick = Pick(instances, tuple(filters or ()), shuffle, part, shard)
    describe(name, pick, only_ids=ids)
