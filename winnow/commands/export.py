"""`winnow export`: a run in the forms that others read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow export 20261121-0640 --format predictions-jsonl --out preds.jsonl"


def command(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="predictions-jsonl, predictions-json (SWE-bench's), submission (the leaderboard's folder), patches "
            "(a file each), sft (to train on: FILE.jsonl, or a folder with a card), csv, json (every figure).",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="PATH", help="The file, or the new or empty folder.")],
    candidate: Annotated[
        str, typer.Option(metavar="NAME", help="Not the chosen patches: those of this candidate, or all.")
    ] = "",
    strategy: Annotated[
        str,
        typer.Option(help="The patches that this strategy chose (`winnow select`). Default: the run's own."),
    ] = "",
    only: Annotated[
        str, typer.Option(help="sft: of which attempts: resolved (by grade), chosen (by selection), or all.")
    ] = "resolved",
    min_confidence: Annotated[
        float,
        typer.Option(
            metavar="P",
            min=0,
            max=1,
            help="sft --only chosen: of what is right with at least this probability.",
        ),
    ] = 0.0,
    steps: Annotated[
        bool, typer.Option(help="sft: also steps of other attempts that execution shows to be right.")
    ] = True,
    name: Annotated[str, typer.Option(help="The system's name in predictions. Default: winnow-MODEL.")] = "",
    logs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="submission: the official harness's logs, logs/run_evaluation/RUN/MODEL."
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Export what a run made: predictions, a leaderboard submission, patches, training data, figures.

    Keys and passwords are removed from what is written; references and hidden tests are never in it, save the names and
    outcomes of tests in a submission's logs, where the leaderboard wants them. Patches are byte for byte; those with
    characters that a reader does not see are named on standard error.
    """
    from ..export_command import run_export

    run_export(
        run,
        format,
        out,
        candidate=candidate,
        only=only,
        name=name,
        logs=logs,
        strategy=strategy,
        least=min_confidence,
        steps=steps,
        store=store,
    )
