"""What each figure of a report shows, as a table: numbers first, so that every picture has them behind it. Pure.

Shares are between 0 and 1, money in USD. A figure that a run has not the data for says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selection import Reliability

from ..attempts import is_attempt
from ..figures import at_most_pass_at_k, shown_ks
from ..figures_gather import Counts, Facts, Issue
from ..figures_law import Law
from ..figures_summary import Summary
from ..figures_tables import Table
from ..select_compare import ORACLE, RANDOM, Comparison

_TURNS = 8
"""Serial budgets that the compute grid shows at most."""
_NO_GRADES = "nothing is graded yet (`winnow grade`)"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. name: of its files. says: a sentence below it. missing: why there is none, "" where there is."""

    name: str
    title: str
    says: str
    table: Table
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Took:
    """What one trajectory took. cost in USD, of the calls with a known price."""

    task: str
    trajectory: str
    calls: int
    cost: float
    prompt: int
    cached: int
    completion: int
    executions: int


@dataclass(frozen=True, slots=True)
class Lost:
    """What became of the issues that have grades.

    undecided: nothing was chosen yet, or the choice has no verdict. recalled, recallable: of issues with a right
    candidate and a context, those whose context had every file that one of them changes.
    """

    resolved: int
    not_selected: int
    not_generated: int
    undecided: int
    recalled: int
    recallable: int


@dataclass(frozen=True, slots=True)
class Known:
    """All that the figures are made from. comparison, best: None and empty where there is no evidence with grades."""

    facts: Facts
    summary: Summary
    took: Sequence[Took]
    comparison: Comparison | None
    best: Mapping[str, Sequence[tuple[int, float]]]
    lost: Lost | None


def figures_of(known: Known) -> Iterator[Figure]:
    """Every figure, in the order of a report."""
    yield _coverage(known)
    yield _grid(known)
    yield _strategies(known)
    yield _best_at(known)
    yield _lost(known)
    yield _costs(known)
    yield _reliability(known)


def _missing(name: str, title: str, why: str) -> Figure:
    return Figure(name, title, "", Table(name, (), []), why)


def _coverage(known: Known) -> Figure:
    name, title = "coverage", "Coverage against attempts"
    found = known.summary.figures
    if found is None or not found.passes:
        return _missing(name, title, _NO_GRADES)
    law = found.law and Law(found.law.a.value, found.law.b.value)
    rows = [
        (at.k, at.estimate.value, at.estimate.low, at.estimate.high, law.at(at.k) if law else None, at.fewer)
        for at in found.passes
    ]
    if law and found.law:
        rows += [(k, None, e.low, e.high, law.at(k), None) for k, e in found.law.ahead[:1]]
    columns = ("attempts", "coverage", "low", "high", "law", "issues_with_fewer")
    says = "Share of issues that any of k attempts resolves (pass@k, unbiased), with its 95 % interval over issues."
    if law:
        says += f" Law: exp({law.a:.3f} k^{law.b:.3f}); beyond what was tried it is an extrapolation."
    return Figure(name, title, says, Table(name, columns, rows))


def _grid(known: Known) -> Figure:
    """Source: CodeMonkeys' figure of serial against parallel scaling."""
    name, title = "compute_grid", "Serial turns against parallel attempts"
    calls = {(took.task, took.trajectory): took.calls for took in known.took}
    attempts = [
        [(calls.get((issue.task, a.name), 0), a.resolved) for a in issue.attempts if a.counts]
        for issue in known.facts.issues
    ]
    if not known.facts.graded or not any(attempts):
        return _missing(name, title, _NO_GRADES)
    if not any(turns for issue in attempts for turns, _ in issue):
        return _missing(name, title, "no attempt asked a model here (its candidates came from elsewhere)")
    turns = _quantiles(sorted({turns for issue in attempts for turns, _ in issue if turns}), _TURNS)
    ks = [k for k in shown_ks(max(map(len, attempts))) if k in (1, 2, 3, 5, 7, 10) or k % 10 == 0]
    rows = [(turn, k, _share([_within(issue, turn) for issue in attempts], k)) for turn in turns for k in ks]
    says = (
        "Share of issues resolved by any of k attempts, where an attempt counts as ended wrong once it would need more "
        "model calls than the row allows."
    )
    return Figure(name, title, says, Table(name, ("turns", "attempts", "coverage"), rows))


def _within(issue: Sequence[tuple[int, bool]], turns: int) -> Counts:
    return Counts(len(issue), sum(right and used <= turns for used, right in issue))


def _share(issues: Sequence[Counts], k: int) -> float:
    return sum(at_most_pass_at_k(counts, k) for counts in issues) / len(issues)


def _quantiles(values: Sequence[int], most: int) -> list[int]:
    """At most `most` of the values, spread evenly over them, the last one always."""
    if len(values) <= most:
        return list(values)
    return [values[round((i + 1) * len(values) / most) - 1] for i in range(most)]


def _strategies(known: Known) -> Figure:
    name, title = "strategies", "Ways of choosing"
    if known.comparison is None:
        return _missing(name, title, "no candidate has both evidence and a grade")
    columns = ("strategy", "resolved", "low", "high", "efficiency", "chosen", "tied", "issues")
    order = sorted(
        known.comparison.rows, key=lambda row: (_end(row.strategy), row.resolved.value, row.strategy)
    )
    rows = [
        (
            row.strategy,
            row.resolved.value,
            row.resolved.low,
            row.resolved.high,
            row.efficiency.value if row.efficiency else None,
            row.chosen,
            row.tied,
            known.comparison.graded,
        )
        for row in order
    ]
    says = (
        f"Share of the {known.comparison.graded} issues with grades that each strategy's choice resolves, on the "
        "stored evidence, with 95 % intervals over issues. random: drawn among candidates that apply; oracle: a right "
        "one wherever there is one."
    )
    return Figure(name, title, says, Table(name, columns, rows))


def _end(strategy: str) -> int:
    return {RANDOM: 0, ORACLE: 2}.get(strategy, 1)


def _best_at(known: Known) -> Figure:
    name, title = "best_at_k", "Best@K: choosing among K candidates"
    rows = [(who, k, share) for who, points in known.best.items() for k, share in points]
    if not rows or max(k for _, k, _ in rows) < 2:
        return _missing(name, title, "no issue has several candidates with evidence and grades")
    says = "Share of issues resolved where a strategy chooses among K of the candidates (all subsets, or 1,000 drawn)."
    return Figure(name, title, says, Table(name, ("strategy", "k", "resolved"), rows))


def _lost(known: Known) -> Figure:
    name, title = "lost", "Where issues are lost"
    if known.lost is None:
        return _missing(name, title, _NO_GRADES)
    lost = known.lost
    rows = [
        ("resolved", lost.resolved),
        ("a right candidate, not chosen (selection)", lost.not_selected),
        ("no right candidate (generation)", lost.not_generated),
        ("a right candidate, no graded choice yet", lost.undecided),
        ("right candidates whose files were in the context", lost.recalled),
        ("right candidates with a context", lost.recallable),
    ]
    says = "Issues with grades by what became of them."
    if lost.recallable:
        says += (
            f" Context recall: of {lost.recallable} issues with a right candidate and a context, {lost.recalled} had "
            "every file that it changes."
        )
    return Figure(name, title, says, Table(name, ("what", "issues"), rows))


def _costs(known: Known) -> Figure:
    name, title = "cost_by_stage", "What each stage took"
    stages: dict[str, list[float]] = {}
    for took in known.took:
        sums = stages.setdefault(stage_of(took.trajectory), [0, 0.0, 0, 0, 0, 0])
        for place, value in enumerate(
            (took.calls, took.cost, took.prompt, took.cached, took.completion, took.executions)
        ):
            sums[place] += value
    if not any(sums[0] or sums[5] for sums in stages.values()):
        return _missing(name, title, "no model was asked and nothing was run")
    columns = ("stage", "calls", "usd", "prompt_tokens", "cached_tokens", "completion_tokens", "executions")
    order = {"context": 0, "thinking": 1, "attempts": 2, "weighing": 3, "selection": 4}
    rows = [(stage, *sums) for stage, sums in sorted(stages.items(), key=lambda item: order[item[0]])]
    says = "Model calls, tokens and money by stage"
    says += "; calls without a known price are not in the money." if known.summary.money.unpriced else "."
    return Figure(name, title, says, Table(name, columns, rows))


def stage_of(trajectory: str) -> str:
    """The stage that a trajectory belongs to; one that was set aside and made again counts where it belongs."""
    if trajectory.startswith("redone-"):
        trajectory = trajectory.partition("/")[2] or trajectory
    if trajectory == "context" or is_attempt(trajectory):
        return "context" if trajectory == "context" else "attempts"
    kind = trajectory.partition("-")[0]
    return {"weigh": "weighing", "selection": "selection"}.get(kind, "thinking")


def _reliability(known: Known) -> Figure:
    name, title = "reliability", "How sure it was, and how often right"
    found: Reliability | None = known.summary.reliable
    if found is None:
        return _missing(name, title, "no graded choice says how sure it is")
    rows = [(b.low, b.high, b.choices, b.said, b.right / b.choices) for b in found.bins]
    says = f"Choices by their stated confidence; on the line, words and deeds agree. Brier score {found.brier:.3f}."
    return Figure(name, title, says, Table(name, ("low", "high", "choices", "said", "right"), rows))


def lost_of(
    issues: Sequence[Issue],
    strategy: str,
    contexts: Mapping[str, frozenset[str]],
    files: Mapping[tuple[str, str], frozenset[str]],
) -> Lost | None:
    """contexts: by task, the paths that attempts were shown. files: by (task, candidate), the paths that it changes."""
    graded = [issue for issue in issues if any(attempt.counts for attempt in issue.attempts)]
    if not graded:
        return None
    right = {issue.task: [a.name for a in issue.attempts if a.counts and a.resolved] for issue in graded}
    chosen = {issue.task: issue.counts(strategy).chosen for issue in graded}
    resolved = sum(map(bool, chosen.values()))
    undecided = sum(chosen[task] is None for task, names in right.items() if names)
    recallable = [task for task, names in right.items() if names and contexts.get(task)]
    return Lost(
        resolved=resolved,
        not_selected=sum(chosen[task] is False for task, names in right.items() if names),
        not_generated=sum(not names for names in right.values()),
        undecided=undecided,
        recalled=sum(
            any(files.get((task, name), frozenset()) <= contexts[task] for name in right[task])
            for task in recallable
        ),
        recallable=len(recallable),
    )
