"""`winnow report`: the figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow report 20261121-0640 --html report.html --figures figures/"


def command(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write every table as CSV into this folder.")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write every figure as SVG, PNG and CSV (extra plots)."),
    ] = None,
    md: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the report as Markdown, with the pictures of --figures."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the report as one HTML file with its figures (extra plots)."
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Report a run: resolved, coverage, selection efficiency, pass@k with intervals, cost, endings, time.

    Figures need grades (`winnow grade`); cost, endings and time are there without them.
    """
    from ..figures_command import report

    report(run, json=as_json, csv=csv, figures=figures, md=md, html=html, store=store)
