"""Strategies side by side over stored evidence: what each would have chosen, and what that is worth. Pure.

Intervals are by bootstrap over issues, the same draws for all strategies, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selection import (
    STRATEGIES,
    USES,
    Evidence,
    Ranking,
    Reliability,
    Strategy,
    Weights,
    distinct,
    oracle,
    reliability,
    sure_of,
    weigh,
    winnow_with,
)

from .figures_bootstrap import RESAMPLES, SEED, Estimate, estimate, resampled_means
from .select_issues import Weighable

OURS, RANDOM, ORACLE = "winnow", "random", "oracle"


@dataclass(frozen=True, slots=True)
class Cost:
    """What the evidence took that a strategy looks at, the making of candidates apart.

    recorded: whether that is known.
    """

    calls: int = 0
    executions: int = 0
    tokens: int = 0
    usd: float = 0.0
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy over all issues.

    chosen: issues for which it chose something. ungraded: of these, choices without a verdict, which count as not
    resolved. resolved: share of all issues. efficiency: resolved / coverage, None where nothing is covered. behind: how
    much larger `winnow`'s share of resolved issues is, paired (below 0: it is worse). tied: issues on which the rule
    leaves several different patches, so that the last resort decides, and by_lot: what is resolved where lots are drawn
    among them instead, on average. lacking: issues on which some of
    its evidence is missing, and blind: on which all of it is, so that only ties decide.
    """

    strategy: str
    chosen: int
    ungraded: int
    resolved: Estimate
    efficiency: Estimate | None
    behind: Estimate | None
    tied: int
    by_lot: Estimate
    lacking: int
    blind: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class Comparison:
    """All strategies over the same issues.

    graded: issues with a graded candidate, the only ones that shares are of; mixed: those of them that have right and
    wrong ones, where choosing matters. reliable: what `winnow` said of its own choices against what was so.
    """

    issues: int
    graded: int
    mixed: int
    coverage: Estimate
    rows: tuple[Row, ...]
    reliable: Reliability | None


def strategies_with(weights: Weights) -> dict[str, Strategy]:
    """All strategies by name, Winnow's own with these weights."""
    return {**STRATEGIES, OURS: winnow_with(weights)}


def compare(issues: Sequence[Weighable], weights: Weights, least: float = 0.0) -> Comparison | None:
    """None where no candidate has a grade. least: what a strategy must be sure of to choose at all.

    `random` is not drawn once: its row is what drawing among the candidates that are not empty comes to on average.
    """
    graded = [issue for issue in issues if issue.grades]
    if not graded:
        return None
    known = strategies_with(weights)
    names = [*known, ORACLE]
    weighed = [weigh(issue.evidence, weights) for issue in graded]
    rankings = {
        name: [
            sure_of((known.get(name) or oracle(issue.grades))(issue.evidence), found, least)
            for issue, found in zip(graded, weighed, strict=True)
        ]
        for name in names
    }
    right = {
        name: [
            right_of(name, ranking, issue.evidence, issue.grades)
            for ranking, issue in zip(found, graded, strict=True)
        ]
        for name, found in rankings.items()
    }
    lots = {
        name: [
            by_lot(name, ranking, issue.evidence, issue.grades)
            for ranking, issue in zip(found, graded, strict=True)
        ]
        for name, found in rankings.items()
    }
    covered = [float(any(issue.grades.values())) for issue in graded]
    columns = [covered, *(right[name] for name in names), *(lots[name] for name in names)]
    rows = list(zip(*columns, strict=True))
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    samples = resampled_means(rows, RESAMPLES, SEED)
    ours = 1 + names.index(OURS)
    return Comparison(
        issues=len(issues),
        graded=len(graded),
        mixed=sum(len(set(issue.grades.values())) > 1 for issue in graded),
        coverage=estimate(means[0], [sample[0] for sample in samples]),
        rows=tuple(
            _row(name, place, ours, len(names), means, samples, rankings[name], graded)
            for place, name in enumerate(names, 1)
        ),
        reliable=reliability(
            [
                (ranking.confidence, issue.grades[ranking.chosen])
                for ranking, issue in zip(rankings[OURS], graded, strict=True)
                if ranking.confidence is not None and ranking.chosen in issue.grades
            ]
        ),
    )


def right_of(name: str, ranking: Ranking, evidence: Evidence, grades: Mapping[str, bool]) -> float:
    """1 where what a strategy chose resolves the issue, else 0; of `random` the mean over all that it might draw.

    Where any candidate is known to apply, it draws among those that do.
    """
    if name != RANDOM or ranking.chosen is None:
        return float(grades.get(ranking.chosen or "", False))
    like_first = bool(evidence.applies.get(ranking.order[0].candidate))
    drawn = [
        ranked.candidate
        for ranked in ranking.order
        if ranked.worth and bool(evidence.applies.get(ranked.candidate)) == like_first
    ]
    return sum(grades.get(candidate, False) for candidate in drawn) / len(drawn)


def by_lot(name: str, ranking: Ranking, evidence: Evidence, grades: Mapping[str, bool]) -> float:
    """The same where lots are drawn among those that the rule leaves, on average, instead of asking the last resort."""
    if name == RANDOM or not ranking.tied or ranking.chosen is None:
        return right_of(name, ranking, evidence, grades)
    return sum(grades.get(candidate, False) for candidate in ranking.tied) / len(ranking.tied)


def _row(
    name: str,
    place: int,
    ours: int,
    names: int,
    means: Sequence[float],
    samples: Sequence[Sequence[float]],
    rankings: Sequence[Ranking],
    issues: Sequence[Weighable],
) -> Row:
    chosen = [(r.chosen, issue) for r, issue in zip(rankings, issues, strict=True) if r.chosen is not None]
    uses = USES.get(name, ())
    lacks = [len(ranking.missing) for ranking in rankings]
    return Row(
        strategy=name,
        chosen=len(chosen),
        ungraded=sum(candidate not in issue.grades for candidate, issue in chosen),
        resolved=estimate(means[place], [sample[place] for sample in samples]),
        efficiency=estimate(means[place] / means[0], [s[place] / s[0] for s in samples if s[0]])
        if means[0]
        else None,
        behind=estimate(means[ours] - means[place], [s[ours] - s[place] for s in samples])
        if place != ours
        else None,
        tied=sum(
            _undecided(ranking, issue.evidence) for ranking, issue in zip(rankings, issues, strict=True)
        ),
        by_lot=estimate(means[place + names], [sample[place + names] for sample in samples]),
        lacking=sum(map(bool, lacks)),
        blind=sum(bool(uses) and number == len(uses) for number in lacks),
        cost=cost_of(uses, [issue.evidence for issue in issues]),
    )


def _undecided(ranking: Ranking, evidence: Evidence) -> bool:
    """Whether the rule left several different patches."""
    return len(distinct(c for c in evidence.candidates if c.id in ranking.tied)) > 1


def cost_of(uses: Sequence[str], several: Sequence[Evidence]) -> Cost:
    """What gathering these kinds of evidence took, over all issues."""
    efforts = [e for evidence in several for kind, e in evidence.effort.items() if kind in uses]
    return Cost(
        calls=sum(e.calls for e in efforts),
        executions=sum(e.executions for e in efforts),
        tokens=sum(e.tokens for e in efforts),
        usd=sum(e.cost for e in efforts),
        recorded=not uses or any(evidence.effort for evidence in several),
    )
