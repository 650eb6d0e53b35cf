"""How sure choices were said to be against how often they are right: the reliability figure as a table."""

from __future__ import annotations

from rich.table import Table

from selection import Reliability

from .console import Console


def print_reliability(console: Console, found: Reliability, of_what: str) -> None:
    """of_what: whose words they are ("the choices of winnow")."""
    title = f"How sure: {of_what}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("said", min_width=20)
    for column in ("choices", "mean said", "right"):
        table.add_column(column, justify="right", min_width=10)
    for each in found.bins:
        table.add_row(
            f"{each.low:.0%} to {each.high:.0%}",
            str(each.choices),
            f"{each.said:.0%}",
            f"{each.right} ({each.right / each.choices:.0%})",
        )
    console.print(table)
    console.print(
        f"Brier score {found.brier:.3f} (0: always sure and right; 0.25: always one half)", highlight=False
    )
