"""`winnow import`: predictions of other systems as a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow import preds-1.jsonl preds-2.jsonl --dataset verified --as other-system"


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="SWE-bench predictions: JSON, JSON lines, gzipped or not. Several files: several candidates "
            "for each issue."
        ),
    ],
    dataset: Annotated[str, typer.Option(help="The dataset that they are about: a file, an alias, an id.")],
    run: Annotated[
        str | None,
        typer.Option("--as", metavar="RUN", help="The run's id; an import of that id is added to."),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Keep the outcomes that rows claim (resolved, resolved_here): shown beside our grades, never "
            "counted as ours.",
        ),
    ] = False,
    predicted_only: Annotated[
        bool,
        typer.Option(
            "--predicted-only", help="Leave issues without a prediction out, instead of counting them."
        ),
    ] = False,
    filter: Annotated[
        list[str] | None,
        typer.Option(help="Only issues whose id this regular expression finds, or FIELD=VALUE."),
    ] = None,
    instances: Annotated[
        Path | None, typer.Option(help="Only the issues of this file, an id a line.")
    ] = None,
    slice: Annotated[str, typer.Option(help="Only these, as Python slices: 0:50.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what came in as JSON.")] = False,
    store: StoreOption = None,
) -> None:
    """Bring predictions of other systems in as a run, to be graded, chosen among and reported like one of ours.

    Whatever is wrong with a row or a patch is counted and shown; the rest comes in.
    """
    from environments.datasets import Pick

    from ..importing_command import run_import

    run_import(
        files,
        dataset,
        Pick(instances=instances, filter=tuple(filter or ()), slice=slice),
        run=run,
        published=published,
        predicted_only=predicted_only,
        as_json=as_json,
        store=store,
    )
