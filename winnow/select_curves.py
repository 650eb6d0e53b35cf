"""Best@K: what a strategy comes to when it chooses among K of the candidates. Pure.

Source: R2E-Gym, which estimates it by 1,000 subsamples without replacement. Where an issue has no more subsets of K
candidates than that, all are taken, which is exact.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import comb

from selection import Evidence, MachineChoice, Strategy, distinct

from .figures import shown_ks
from .figures_bootstrap import SEED
from .select_compare import right_of
from .select_issues import Weighable

SUBSAMPLES = 1000


def best_at(
    issues: Sequence[Weighable],
    strategies: Mapping[str, Strategy],
    subsamples: int = SUBSAMPLES,
    seed: int = SEED,
) -> Mapping[str, tuple[tuple[int, float], ...]]:
    """By strategy: (K, share of issues resolved). An issue with fewer than K candidates chooses among all it has.

    Issues without a grade are left out. A subset has only the tests that its own attempts wrote, and only the matches
    and words of the selection machine that are about its own: evidence that others brought would not be there.
    """
    issues = [issue for issue in issues if issue.grades]
    most = max((len(issue.evidence.candidates) for issue in issues), default=0)
    ks = shown_ks(most)
    sums: dict[str, list[float]] = {name: [0.0] * len(ks) for name in strategies}
    for issue in issues:
        before: dict[str, float] = {}
        for place, k in enumerate(ks):
            if k <= len(issue.evidence.candidates):
                before = _share_right(issue, k, strategies, subsamples, seed)
            for name, share in before.items():
                sums[name][place] += share
    return {
        name: tuple((k, total / len(issues)) for k, total in zip(ks, totals, strict=True))
        for name, totals in sums.items()
    }


def _share_right(
    issue: Weighable, k: int, strategies: Mapping[str, Strategy], subsamples: int, seed: int
) -> dict[str, float]:
    right = dict.fromkeys(strategies, 0.0)
    number = 0
    for ids in subsets([c.id for c in issue.evidence.candidates], k, subsamples, f"{seed} {issue.task}"):
        number += 1
        part = restricted(issue.evidence, ids)
        for name, rank in strategies.items():
            right[name] += right_of(name, rank(part), part, issue.grades)
    return {name: total / number for name, total in right.items()}


def subsets(ids: Sequence[str], k: int, most: int, seed: str) -> Iterator[frozenset[str]]:
    """All subsets of k ids where there are at most `most`, else `most` random ones; the same each time."""
    ordered = sorted(ids)
    if comb(len(ordered), k) <= most:
        yield from map(frozenset, combinations(ordered, k))
        return
    chance = random.Random(f"{seed} {k}")
    for _ in range(most):
        yield frozenset(chance.sample(ordered, k))


def restricted(evidence: Evidence, ids: frozenset[str]) -> Evidence:
    """The evidence that there would be with these candidates alone."""
    kept = tuple(candidate for candidate in evidence.candidates if candidate.id in ids)
    scripts = {candidate.test for candidate in kept}
    whole = len(kept) == len(evidence.candidates)
    tests = tuple(
        test
        for test in evidence.tests
        if whole or (test.script in scripts if test.origin == "attempt" else False)
    )
    others = {c.id for c in evidence.candidates} - ids
    names = {test.id for test in tests}
    same = _under_own_name(evidence, ids)
    return replace(
        evidence,
        candidates=kept,
        tests=tests,
        applies={c: v for c, v in evidence.applies.items() if c in ids},
        cells={(c, t): run for (c, t), run in evidence.cells.items() if c not in others and t in names},
        repeats={(c, t): runs for (c, t), runs in evidence.repeats.items() if c not in others and t in names},
        regressions={c: v for c, v in evidence.regressions.items() if c in ids},
        judgements={c: v for c, v in evidence.judgements.items() if c in ids},
        signals={c: v for c, v in evidence.signals.items() if c in ids},
        facts={c: v for c, v in evidence.facts.items() if c in ids},
        matches=tuple(
            replace(m, first=same[m.first], second=same[m.second], winner=same.get(m.winner or ""))
            for m in evidence.matches
            if m.first in same and m.second in same
        ),
        machine=_choice(evidence.machine, same),
        selectors=tuple(c for choice in evidence.selectors if (c := _choice(choice, same)) is not None),
    )


def _under_own_name(evidence: Evidence, ids: frozenset[str]) -> dict[str, str]:
    """For each candidate whose patch is in the subset, an id that it has there: a patch is shown under one id only."""
    names: dict[str, str] = {}
    for group in distinct(evidence.candidates):
        there = [candidate.id for candidate in group if candidate.id in ids]
        for candidate in group if there else ():
            names[candidate.id] = candidate.id if candidate.id in ids else there[0]
    return names


def _choice(choice: MachineChoice | None, same: Mapping[str, str]) -> MachineChoice | None:
    """A choice stands where its winner is there: it was preferred to these too."""
    if choice is None or choice.winner not in same:
        return None
    shown = tuple(dict.fromkeys(same[name] for name in choice.shown if name in same))
    return MachineChoice(same[choice.winner], choice.reason, shown)
