"""Selections, comparisons and curves as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from selection import Card, Ranking, Weights, card_text

from .console import Console, Text
from .figures_bootstrap import Estimate
from .select_compare import Comparison, Cost
from .select_issues import Weighable

Chosen = Mapping[str, tuple[Weighable, Ranking]]
"""Of each issue what it was chosen from, and the ranking."""


def print_choices(console: Console, strategy: str, chosen: Chosen) -> None:
    """A line for each issue: who is chosen, how sure that is, whether it is right where that is known, why."""
    table = _table(f"Chosen by {strategy}", "issue")
    for column in ("chosen", "sure", "grade", "why"):
        table.add_column(column, justify="right" if column == "sure" else "left", overflow="fold")
    for task, (issue, ranking) in chosen.items():
        sure = "" if ranking.confidence is None else f"{ranking.confidence:.0%}"
        table.add_row(task, ranking.chosen or "nothing", sure, _grade(issue, ranking), ranking.why)
    console.print(table)


def print_card(console: Console, task: str, card: Card, patch: str) -> None:
    """One issue's card, then its patch."""
    console.print()
    console.print(task, style="bold", highlight=False)
    console.print(Text(card_text(card)), soft_wrap=True)
    if patch:
        console.print()
        console.print("  the patch:", highlight=False)
        console.print(Text(patch), soft_wrap=True)


def print_missing(console: Console, rankings: Iterable[tuple[str, Ranking]]) -> None:
    """What evidence was missing, by what is said of it, and on how many issues."""
    counts: dict[str, int] = {}
    for _, ranking in rankings:
        for phrase in ranking.missing:
            kind = phrase.split(": ", 1)[0]
            counts[kind] = counts.get(kind, 0) + 1
    if counts:
        said = "; ".join(f"{kind} on {number} issues" for kind, number in counts.items())
        console.print(
            f"Missing in whole or in part, which never ranks up: {said}.", style="yellow", highlight=False
        )


def print_comparison(console: Console, found: Comparison) -> None:
    """All strategies side by side."""
    console.print(
        f"{found.issues} issues, {found.graded} with grades; {found.mixed} have right and wrong candidates, "
        f"and only there choosing matters. Coverage {_interval(found.coverage)}.",
        highlight=False,
    )
    table = _table("Strategies: % of issues, 95 % intervals by bootstrap over issues", "strategy")
    for column in ("resolved", "efficiency", "winnow is better by", "ties", "with ties by lot"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in found.rows:
        better = "" if row.behind is None else _short(row.behind, "+")
        table.add_row(
            row.strategy,
            _short(row.resolved),
            _short(row.efficiency) if row.efficiency else "",
            better,
            str(row.tied or ""),
            _short(row.by_lot) if row.tied else "",
        )
    console.print(table)
    console.print()
    table = _table("What they had, and what it took", "strategy")
    for column in ("chose", "ungraded", "evidence lacking", "all of it"):
        table.add_column(column, justify="right")
    table.add_column("evidence cost")
    for row in found.rows:
        numbers = (row.chosen, row.ungraded, row.lacking, row.blind)
        table.add_row(row.strategy, *(str(number) if number else "" for number in numbers), _cost(row.cost))
    console.print(table)
    console.print(
        "efficiency: resolved / coverage. random: the mean over all draws. oracle: knows the grades. Differences "
        "are paired. ties: issues where the rule leaves several patches, so that the shortest is taken; by lot: what "
        "drawing one of them would come to on average. lacking: issues where some of what a strategy looks at is "
        "missing; all of it: only ties decide.",
        style="dim",
        highlight=False,
    )


def print_curves(console: Console, curves: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Best@K: a row for each strategy, a column for each K."""
    ks = [k for k, _ in next(iter(curves.values()), ())]
    table = _table("Best@K: resolved when choosing among K candidates", "strategy")
    for k in ks:
        table.add_column(str(k), justify="right")
    for name, points in curves.items():
        table.add_row(name, *(f"{share:.1%}" for _, share in points))
    console.print(table)


def print_weights(console: Console, weights: Weights) -> None:
    """The weights and where each comes from."""
    table = _table(weights.source, "feature")
    table.add_column("weight", justify="right")
    table.add_column("source", overflow="fold")
    table.add_row("(intercept)", f"{weights.intercept:+.2f}", "")
    for name, weight in weights.features.items():
        table.add_row(name, f"{weight.weight:.2f}", weight.source)
    console.print(table)
    for name, figure in weights.fit.items():
        console.print(f"{name}: {figure:g}", highlight=False)


def _cost(cost: Cost) -> str:
    if not cost.recorded:
        return "not recorded"
    if not (cost.calls or cost.executions):
        return "nothing"
    return f"${cost.usd:.4f}, {cost.calls} calls, {cost.executions} executions"


def _grade(issue: Weighable, ranking: Ranking) -> str:
    if ranking.chosen is None:
        return ""
    grade = issue.grades.get(ranking.chosen)
    return "" if grade is None else "resolves" if grade else "does not resolve"


def _interval(found: Estimate) -> str:
    return f"{found.value:.1%} {_ends(found)}"


def _ends(found: Estimate, sign: str = "") -> str:
    return f"[{found.low:{sign}.1%}, {found.high:{sign}.1%}]"


def _short(found: Estimate, sign: str = "") -> str:
    return f"{100 * found.value:{sign}.1f} [{100 * found.low:{sign}.0f}, {100 * found.high:{sign}.0f}]"


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column(first, overflow="fold", min_width=min(16, 4 * len(first)))
    return table
