"""`winnow build`: the worlds of a dataset, before money is spent on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .checks import check_build_network, check_sandbox
from .options import BuildNetworkOption

EXAMPLE = "Example: winnow build rows.jsonl --repos mirrors/ --recipes-to recipes/"


def command(
    dataset: Annotated[
        str,
        typer.Argument(help="A JSON, JSONL or parquet file, a Hugging Face id, or an alias (`datasets`)."),
    ],
    repos: Annotated[
        Path | None, typer.Option(help="A folder of mirrors of the repositories. Default: clone them.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe, or a folder of recipes, written or mended by hand.")
    ] = None,
    recipes_to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the recipe of each world there, to be mended.")
    ] = None,
    rootfs: Annotated[
        Path | None, typer.Option(help="Build on this root file system (docker/rootfs-debian.sh makes one).")
    ] = None,
    sandbox: Annotated[str, typer.Option(help="docker, overlay, or auto for what works here.")] = "auto",
    build_network: BuildNetworkOption = None,
    at_once: Annotated[int, typer.Option(min=1, help="Worlds built at once.")] = 2,
    filter: Annotated[
        list[str] | None, typer.Option(help="Only rows that match: a regular expression, or field=value.")
    ] = None,
    slice: Annotated[str, typer.Option(help="Only these rows, as in Python: 0:50.")] = "",
    instances: Annotated[Path | None, typer.Option(help="Only the rows whose ids this file lists.")] = None,
    shard: Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N parts.")] = "",
) -> None:
    """Make the worlds of a dataset's rows: repository, interpreter, dependencies as of the date, tests that run.

    What is there already is not made again; `run` and `grade` use the same worlds. Exit code 0: all are there; 2: the
    command is wrong; 3: some cannot be built (each with the lines that say why).
    """
    from environments import Pick

    from ..build_command import Asked, build

    check_sandbox(sandbox)
    check_build_network(build_network)
    pick = Pick(instances=instances, filter=tuple(filter or ()), slice=slice, shard=shard)
    raise typer.Exit(
        build(
            Asked(
                dataset, pick, repos, recipe, recipes_to, rootfs, sandbox, at_once, build_network or "index"
            )
        )
    )
