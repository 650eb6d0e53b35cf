"""`winnow grade`: run the hidden tests against candidates, in fresh sandboxes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .checks import check_build_network, check_sandbox
from .options import BuildNetworkOption, StoreOption

EXAMPLE = "Example: winnow grade --dataset rows.jsonl --gold --empty   (is the dataset itself right?)"


def command(
    what: Annotated[
        str | None, typer.Argument(metavar="[RUN|PREDICTIONS]", help="A run's id, or a file of predictions.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The dataset whose tests grade: a file, a folder, an alias, a hub id.")
    ] = None,
    gold: Annotated[
        bool, typer.Option("--gold", help="Grade the reference patches: all must resolve.")
    ] = False,
    empty: Annotated[bool, typer.Option("--empty", help="Grade the unfixed code: none may resolve.")] = False,
    official: Annotated[
        bool,
        typer.Option(
            "--official", help="Hand the predictions to the official harness too, and compare verdicts."
        ),
    ] = False,
    repeat: Annotated[
        int, typer.Option(min=1, help="Run the tests so often; the first decides, flaky tests are named.")
    ] = 1,
    at_once: Annotated[
        int | None,
        typer.Option(min=1, help="Sandboxes in which tests run at once. Default: one a processor."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Grade anew what has a grade in the store.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds of one test run. Default: the recipe's.")
    ] = None,
    filter: Annotated[
        list[str] | None, typer.Option(help="Only rows that match: a regular expression, or field=value.")
    ] = None,
    slice: Annotated[str, typer.Option(help="Only these rows, as in Python: 0:50.")] = "",
    instances: Annotated[Path | None, typer.Option(help="Only the rows whose ids this file lists.")] = None,
    shard: Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N parts.")] = "",
    repos: Annotated[Path | None, typer.Option(help="A folder of mirrors of the repositories.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipes written or mended by hand: a file or a folder.")
    ] = None,
    rootfs: Annotated[
        Path | None, typer.Option(help="The root file system that worlds are built on (as for `run`).")
    ] = None,
    build_network: BuildNetworkOption = None,
    sandbox: Annotated[str, typer.Option(help="docker, overlay, or auto for what works here.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the grades as JSON.")] = False,
    store: StoreOption = None,
) -> None:
    """Grade candidates by a dataset's hidden tests, in fresh sandboxes that no attempt worked in.

    Two verdicts are kept of each candidate: the whole patch, and the patch without its changes to test machinery.
    Exit code 0: graded (and --gold resolved all, --empty none); 1: --gold or --empty found the dataset wrong; 2: the
    command is wrong; 3: something could not be graded.
    """
    from environments import Pick

    from ..grade_command import Asked, grade

    if not dataset:
        raise typer.BadParameter("say whose tests grade: a file of rows, or an alias", param_hint="--dataset")
    if bool(what) == (gold or empty):
        raise typer.BadParameter(
            "name a RUN or a file of PREDICTIONS, or say --gold or --empty", param_hint="[RUN|PREDICTIONS]"
        )
    check_sandbox(sandbox)
    check_build_network(build_network)
    pick = Pick(instances=instances, filter=tuple(filter or ()), slice=slice, shard=shard)
    raise typer.Exit(
        grade(
            Asked(
                what=what or "",
                dataset=dataset,
                pick=pick,
                gold=gold,
                empty=empty,
                official=official,
                repeats=repeat,
                at_once=at_once or os.cpu_count() or 2,
                again=again,
                timeout=timeout,
                repos=repos,
                recipe=recipe,
                rootfs=rootfs,
                network=build_network or "index",
                sandbox=sandbox,
                json=as_json,
                store=store,
            )
        )
    )
