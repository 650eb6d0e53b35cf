"""A run's figures as files: NAME.svg, NAME.png, and NAME.csv with the numbers behind them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from environments.shown_text import visible

from ..figures_tables import Table
from .data import Figure
from .draw import drawn


def write_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write those that there is data for into `folder`, which is made where it is missing; the files.

    The same run gives the same bytes. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        if figure.missing:
            continue
        for kind in ("svg", "png"):
            written.append(folder / f"{figure.name}.{kind}")
            written[-1].write_bytes(drawn(figure, kind))
        written.append(folder / f"{figure.name}.csv")
        written[-1].write_text(as_csv(figure.table), encoding="utf-8", newline="")
    return written


def as_csv(table: Table) -> str:
    """The table's columns and rows, fit to be shown; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return visible(text.getvalue())
