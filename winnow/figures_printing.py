"""A run's summary as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from .console import Console
from .figures import Figures
from .figures_bootstrap import Estimate
from .figures_gather import NOT_GRADED, VALIDATION
from .figures_law import Fitted
from .figures_summary import Agreement, Saved, Summary
from .progress import clock
from .select_reliability import print_reliability

NAMED = 5
"""Attempts that a list names before it says how many more there are; --json and --csv name all."""
_GOOD = ("patch chosen", "nothing worth choosing")
"""Endings of issues that the figures say already (winnow/batch_issues.py)."""


def print_summary(console: Console, summary: Summary) -> None:
    """The whole report of a run."""
    _say(console, _headline(summary), style="bold")
    _say(console, _attempts(summary))
    console.print()
    if summary.figures is not None and summary.kind != VALIDATION:
        _figures(console, summary.figures, "by Winnow's grading" if summary.published else "")
        _left_out(console, summary)
    elif summary.attempts.all and summary.figures is None:
        _say(console, f"Not graded yet: `winnow grade {summary.run} --dataset D` does it.", style="yellow")
        console.print()
    if summary.published is not None:
        _figures(console, summary.published, "by published outcomes (third parties' claims, not ours)")
    if summary.agreement is not None:
        _agreement(console, summary.agreement)
    _verdicts(console, summary)
    _choices(console, summary)
    if summary.reliable is not None:
        print_reliability(console, summary.reliable, f"the choices of {summary.strategy}")
        console.print()
    _members(console, summary)
    _endings(console, summary)
    _warnings(console, summary)
    if summary.saved is not None:
        _say(console, _saved(summary.saved))
    _minds(console, summary)
    _money(console, summary)


def _headline(summary: Summary) -> str:
    words = [f"run {summary.run} ({summary.kind}): {summary.status}", f"{summary.issues} issues"]
    words += [word for word in (summary.model, summary.preset, summary.dataset) if word]
    return " · ".join(words)


def _attempts(summary: Summary) -> str:
    attempts = summary.attempts
    words = [f"{attempts.all} candidates", f"{attempts.graded} graded"]
    for number, what in (
        (attempts.empty, "empty"),
        (attempts.ungraded, "not graded yet"),
        (attempts.not_gradable, NOT_GRADED),
        (attempts.ended_by_world, "ended by the world (no result: resume tries them again)"),
        (attempts.not_ended, "not ended"),
        (attempts.not_needed, "stopped, since others had finished"),
        (summary.issues_without_attempt, "issues without any candidate"),
    ):
        if number:
            words.append(f"{number} {what}")
    return ", ".join(words)


def _figures(console: Console, found: Figures, title: str) -> None:
    table = _table(f"Figures {title}".strip() + " (95 % intervals by bootstrap over issues)", "figure")
    for name in ("value", "interval", "issues", ""):
        table.add_column(name, justify="left" if not name else "right")
    if found.resolved is not None:
        table.add_row("resolved", *_share(found.resolved, found.issues), "by the chosen patches")
    table.add_row("coverage", *_share(found.coverage, found.issues), "by any candidate")
    if found.efficiency is not None:
        table.add_row("selection efficiency", *_cells(found.efficiency), "", "resolved / coverage")
    if found.passes and found.efficiency is not None:
        table.add_row("choosing at random", *_cells(found.passes[0].estimate), "", "pass@1")
    console.print(table)
    console.print()
    if found.passes:
        _passes(console, found)
    if found.law is not None:
        _law(console, found.law)
    console.print()


def _passes(console: Console, found: Figures) -> None:
    table = _table("pass@k (unbiased)", "k", justify="right")
    for name in ("value", "interval"):
        table.add_column(name, justify="right")
    table.add_column("")
    for at in found.passes:
        fewer = f"{at.fewer} issues have fewer: a lower bound" if at.fewer else ""
        table.add_row(str(at.k), *_cells(at.estimate), fewer)
    console.print(table)


def _law(console: Console, law: Fitted) -> None:
    ahead = ", ".join(f"{e.value:.1%} [{e.low:.1%}, {e.high:.1%}] with {k} attempts" for k, e in law.ahead)
    _say(
        console,
        f"Coverage law exp(a k^b): a = {_plain(law.a)}, b = {_plain(law.b)}, off by {law.worst:.1%} at most. "
        f"If it went on: {ahead}.",
    )


def _left_out(console: Console, summary: Summary) -> None:
    attempts = summary.attempts
    if attempts.ungraded or attempts.not_gradable:
        _say(
            console,
            f"{attempts.ungraded + attempts.not_gradable} candidates have no verdict and are left out of pass@k; "
            "issues whose choice has none count as not resolved.",
            style="yellow",
        )


def _agreement(console: Console, agreement: Agreement) -> None:
    if not agreement.both:
        return
    share = agreement.same / agreement.both
    _say(console, f"Agreement with published outcomes: {agreement.same} of {agreement.both} ({share:.1%}).")
    for names, what in (
        (agreement.only_ours, "resolved only by ours"),
        (agreement.only_theirs, "resolved only by theirs"),
    ):
        if names:
            _say(console, f"  {what}: {_some(names)}")
    console.print()


def _verdicts(console: Console, summary: Summary) -> None:
    if summary.verdicts:
        words = ", ".join(f"{number} {word}" for word, number in summary.verdicts.items())
        _say(console, f"Verdicts: {words}")


def _choices(console: Console, summary: Summary) -> None:
    """Only where there is something to compare."""
    if len(summary.choices) < 2:
        return
    table = _table("Strategies", "strategy")
    for name in ("chose", "resolved", "no verdict"):
        table.add_column(name, justify="right")
    for choice in summary.choices:
        table.add_row(choice.strategy, *map(str, (choice.chosen, choice.resolved, choice.ungraded)))
    console.print(table)
    console.print()


def _members(console: Console, summary: Summary) -> None:
    """Of imported candidates each name is a system of its own; those of a run of ours are alike."""
    if summary.kind not in ("import", VALIDATION):
        return
    published = any(member.published is not None for member in summary.members)
    table = _table("Candidates by source", "source")
    for name in ("issues", "graded", "resolved", *(("published",) if published else ())):
        table.add_column(name, justify="right")
    for member in summary.members:
        cells = [str(member.issues), str(member.graded), str(member.resolved) if member.graded else "-"]
        if published:
            cells.append("-" if member.published is None else str(member.published))
        table.add_row(member.name, *cells)
    console.print(table)
    console.print()


def _endings(console: Console, summary: Summary) -> None:
    if not summary.endings or summary.kind in ("import", VALIDATION):
        return
    table = _table("Endings", "ending")
    table.add_column("fault")
    for name in ("attempts", "with a patch", *(("resolved",) if summary.figures else ())):
        table.add_column(name, justify="right")
    for row in summary.endings:
        resolved = [str(row.resolved)] if summary.figures else []
        table.add_row(row.ending, row.fault, str(row.attempts), str(row.with_patch), *resolved)
    console.print(table)
    console.print()


def _warnings(console: Console, summary: Summary) -> None:
    for ending, names in summary.issue_endings.items():
        if ending not in _GOOD:
            _say(
                console,
                f"Issues that ended otherwise: {ending}: {len(names)}: {_some(names)}",
                style="yellow",
            )
    for flag, names in summary.flags.items():
        _say(console, f"Audit: {len(names)} candidates: {flag}: {_some(names)}", style="yellow")
    if summary.decided_by_machinery:
        _say(
            console,
            "Changes to test machinery decide the verdict (SAFETY: two verdicts are kept) of "
            f"{_some(summary.decided_by_machinery)}",
            style="yellow",
        )
    if summary.flaky:
        _say(
            console,
            f"Flaky tests decide nothing by themselves; seen in {_some(summary.flaky)}",
            style="yellow",
        )
    if summary.network:
        _say(console, f"Sandboxes had network: {_some(summary.network)}", style="yellow")
    for host, tasks in summary.reached.items():
        _say(console, f"Builds reached {host} besides the package index: {_some(tasks)}", style="yellow")
    if summary.shared:
        _say(
            console,
            f"Weaker isolation: in {summary.shared} of {summary.cells} runs of generated tests, those of one candidate "
            "shared a container, reset between them.",
            style="yellow",
        )


def _minds(console: Console, summary: Summary) -> None:
    if not summary.minds:
        return
    table = _table("Models", "who")
    graded = any(mind.graded for mind in summary.minds)
    names = (
        "candidates",
        *(("resolved",) if graded else ()),
        "calls",
        "prompt",
        "cached",
        "completion",
        "cost",
    )
    for name in names:
        table.add_column(name, justify="right")
    for mind in summary.minds:
        cached = f"{mind.cached_tokens / mind.prompt_tokens:.0%}" if mind.prompt_tokens else "-"
        resolved = [f"{mind.resolved} of {mind.graded}"] if graded else []
        cost = _usd(mind.cost) + (f" + {mind.unpriced} unpriced" if mind.unpriced else "")
        table.add_row(
            mind.name,
            str(mind.candidates),
            *resolved,
            f"{mind.calls:,}",
            f"{mind.prompt_tokens:,}",
            cached,
            f"{mind.completion_tokens:,}",
            cost,
        )
    console.print(table)
    console.print()


def _money(console: Console, summary: Summary) -> None:
    money, time = summary.money, summary.time
    if not money.calls and not money.executions:
        return
    each = f"{_usd(money.cost)} in all, {_usd(money.per_issue or 0)} an issue"
    if money.per_resolved is not None:
        each += f", {_usd(money.per_resolved)} a resolved issue"
    if money.unpriced:
        each += f"; {money.unpriced} calls of no known price are not in it"
    cached = f", {money.cached:.1%} from a cache" if money.cached is not None else ""
    _say(console, f"Cost: {each}")
    _say(
        console,
        f"Work: {money.calls:,} model calls, {money.prompt_tokens:,} prompt tokens{cached}, "
        f"{money.completion_tokens:,} completion tokens, {money.executions:,} executions",
    )
    _say(
        console,
        f"Time: {clock(time.wall)} from first to last step, an issue {clock(time.issue_median)} (median), "
        f"{clock(time.issue_most)} at most; all steps one after the other {clock(time.steps)}",
    )


def _saved(saved: Saved) -> str:
    share = 1 - saved.made / saved.most
    why = ", ".join(f"{issues} {reason}" for reason, issues in saved.why.items())
    given_up = f"; {saved.given_up} given up for their length" if saved.given_up else ""
    return (
        f"Attempts as needed: {saved.made} of {saved.most} made ({share:.1%} saved, about {saved.calls_saved:,.0f} "
        f"model calls beside {saved.calls:,}){given_up}; issues by what ended them: {why}"
    )


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 10 else f"${amount:.4f}"


def _share(estimate: Estimate, issues: int) -> tuple[str, str, str]:
    return (*_cells(estimate), f"{round(estimate.value * issues)} of {issues}")


def _cells(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.1%}", f"[{estimate.low:.1%}, {estimate.high:.1%}]"


def _plain(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _table(title: str, first: str, justify: str = "left") -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column(first, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table


def _say(console: Console, sentence: str, style: str | None = None) -> None:
    # Off a terminal whoever reads breaks lines, or searches them.
    console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=not console.is_terminal)
