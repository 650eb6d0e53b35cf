"""What a person reads at the end: the candidates with their votes, the chosen patch, what it took."""

from __future__ import annotations

from rich.table import Table

from agent import Candidate
from environments import json_text
from selection import UNFIXED, Evidence, Ranking, counting
from store import Totals

from .console import Console, Syntax, Text

_IN_COLUMNS = ("passes ", "breaks ")
"""Beginnings of reasons that the table's own columns say already."""


def print_candidates(console: Console, evidence: Evidence, ranking: Ranking) -> None:
    """The candidates, best first: votes, existing tests, size, ending, and why each stands where it stands."""
    by_id = {candidate.id: candidate for candidate in evidence.candidates}
    table = Table(
        title="Candidates",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for column in ("", "candidate", "votes", "existing tests", "patch", "ending", "remarks"):
        table.add_column(column, justify="right" if column == "votes" else "left", overflow="fold")
    for ranked in ranking.order:
        candidate = by_id[ranked.candidate]
        table.add_row(
            "*" if ranked.candidate == ranking.chosen else "",
            Text(candidate.id),
            f"{ranked.votes}/{len(counting(evidence)[0])}",
            existing_said(evidence, candidate.id),
            _size(candidate),
            str(candidate.ending),
            "; ".join(r for r in ranked.reasons if not r.startswith(_IN_COLUMNS)),
            style="bold green" if ranked.candidate == ranking.chosen else None,
        )
    console.print(table)
    console.print()


_SIDE = 10
"""Characters of the column with the tests' names."""


def print_matrix(console: Console, evidence: Evidence) -> None:
    """Which test said what of which candidate: the exit codes, the unfixed code first."""
    if not evidence.tests:
        return
    console.print(
        "Generated tests (exit codes: 0 solved, 2 not solved, other: crashed)", style="bold", highlight=False
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    names, tests = [UNFIXED, *(c.id for c in evidence.candidates)], [test.id for test in evidence.tests]
    said = {key: _exit(run.exit_code, run.ended) for key, run in evidence.cells.items()}
    # Long names (other systems' predictions) would be cut to look alike at the head of columns.
    if _SIDE + sum(len(name) + 2 for name in names) <= console.width:
        heads, rows = ["test", *names], [(t, [said.get((n, t), "-") for n in names]) for t in tests]
    else:
        heads, rows = ["", *tests], [(n, [said.get((n, t), "-") for t in tests]) for n in names]
    table.add_column(heads[0])
    for head in heads[1:]:
        table.add_column(Text(head), justify="right")
    for name, exits in rows:
        table.add_row(Text(name), *map(_cell, exits))
    console.print(table)
    if weaker := isolation(evidence):
        console.print(weaker, style="dim", highlight=False)
    console.print()


def isolation(evidence: Evidence) -> str:
    """The sentence that says which runs of the matrix had no fresh sandbox; "" where all had one."""
    reused = sum(run.reused for run in evidence.cells.values())
    if not reused:
        return ""
    return (
        f"Weaker isolation: in {reused} of these {len(evidence.cells)} runs, tests of one candidate shared a "
        "container, reset between them (selection.isolation = fresh gives each a container of its own)."
    )


def print_choice(console: Console, chosen: Candidate | None, ranking: Ranking) -> None:
    """The chosen diff, or the sentence that says why none was."""
    if chosen is None:
        console.print(
            "No patch was worth choosing: " + ranking.why, style="bold yellow", highlight=False, markup=False
        )
        return
    sure = "" if ranking.confidence is None else f", {ranking.confidence:.0%} sure"
    console.print(f"Chosen: {chosen.id}{sure}", style="bold", highlight=False, markup=False)
    console.print(ranking.why, highlight=False, markup=False)
    console.print()
    if console.is_terminal:
        console.print(Syntax(chosen.patch.rstrip("\n"), "diff", background_color="default"))
    else:
        console.print(Text(chosen.patch), soft_wrap=True)


def print_totals(console: Console, totals: Totals) -> None:
    """Calls, tokens and money of the whole run, earlier sessions included."""
    words = [
        f"{totals.asks} model calls",
        f"{totals.prompt_tokens:,} prompt tokens ({totals.cached_tokens:,} cached)",
        f"{totals.completion_tokens:,} completion tokens",
        f"{totals.runs} executions",
        f"${totals.cost:.4f}",
    ]
    if totals.unpriced:
        words.append(f"{totals.unpriced} calls of no known price (say it with --price)")
    console.print("Spent: " + " · ".join(words), highlight=False)


def as_json(
    run: str, task: str, evidence: Evidence, ranking: Ranking, chosen: Candidate | None, totals: Totals
) -> str:
    """The result for programs: one JSON object."""
    return json_text(
        {
            "run": run,
            "task": task,
            "chosen": ranking.chosen,
            "why": ranking.why,
            "patch": chosen.patch if chosen else None,
            "candidates": [
                {
                    "id": ranked.candidate,
                    "votes": ranked.votes,
                    "worth": ranked.worth,
                    "reasons": list(ranked.reasons),
                    "ending": next(c.ending for c in evidence.candidates if c.id == ranked.candidate),
                    "patch": next(c.patch for c in evidence.candidates if c.id == ranked.candidate),
                }
                for ranked in ranking.order
            ],
            "tests": len(evidence.tests),
            "runs": len(evidence.cells),
            "runs_in_a_reset_container": sum(run.reused for run in evidence.cells.values()),
            "calls": totals.asks,
            "prompt_tokens": totals.prompt_tokens,
            "cached_tokens": totals.cached_tokens,
            "completion_tokens": totals.completion_tokens,
            "cost_usd": totals.cost,
            "unpriced_calls": totals.unpriced,
        },
        indent=2,
    )


def existing_said(evidence: Evidence, candidate: str, not_run: str = "not run") -> str:
    """What the existing tests say of a candidate, in few words."""
    regression = evidence.regressions.get(candidate)
    if regression is None:
        return not_run
    if regression.error:
        return regression.error
    broken = f", {len(regression.broken)} broken" if regression.broken else ""
    return f"{regression.passed}/{regression.known}{broken}"


def _size(candidate: Candidate) -> str:
    if not candidate.patch:
        return "empty"
    lines = candidate.patch.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    gone = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return f"+{added} -{gone}"


def _cell(said: str) -> Text:
    return Text(said, style={"0": "green", "2": "yellow", "-": "dim"}.get(said, "red"))


def _exit(code: int, ended: str) -> str:
    return {"exited": str(code), "timeout": "time-out"}.get(ended, ended)
