"""`winnow` against the other strategies where the truth is known: in worlds of a stated model (simulated_worlds.py)."""

from __future__ import annotations

from functools import cache

import pytest
from simulated_worlds import ONE_SIDED, USUAL, World, issues, outcomes, shares

from selection import reliability, strategy, with_confidence
from winnow.select_compare import OURS

ISSUES = 80
"""Of each world; docs/selection.md has the figures of more."""


@cache
def rows(world: World, many: int = ISSUES) -> list[dict[str, float]]:
    return [shares(issue) for issue in issues(world, many)]


def slug(world: World) -> str:
    return world.name.replace(",", "").replace(" ", "-")


@pytest.mark.parametrize("world", USUAL, ids=slug)
def test_it_is_no_worse_than_any_other_where_no_kind_of_evidence_is_worth_all_others(world):
    for row in outcomes(rows(world)):
        assert row.ahead.high >= 0, (row.strategy, row.ahead)


def test_it_is_better_than_each_other_over_all_these_worlds_together():
    for row in outcomes([row for world in USUAL for row in rows(world)]):
        assert row.strategy == OURS or row.ahead.low > 0, (row.strategy, row.ahead)


@pytest.mark.parametrize("place, better", [(0, "judge"), (1, "tournament"), (3, "regression")])
def test_who_trusts_the_one_kind_that_knows_is_better(place, better):
    """What docs/selection.md says of where it loses is so."""
    found = {row.strategy: row for row in outcomes(rows(ONE_SIDED[place], 2 * ISSUES))}
    assert found[better].ahead.high < 0


def test_a_world_is_the_same_each_time_and_its_issues_are_not():
    first, again = list(issues(USUAL[-1], 3)), list(issues(USUAL[-1], 9))
    assert first == again[:3] and len({str(issue.grades) for issue in again}) > 1


def test_it_is_not_surer_than_it_is_right():
    said = []
    for issue in (issue for world in USUAL for issue in issues(world, ISSUES)):
        ranking = with_confidence(strategy(OURS)(issue.evidence), issue.evidence)
        said.append((ranking.confidence, issue.grades[ranking.chosen]))
    found = reliability(said)
    mean, right = (sum(column) / len(said) for column in zip(*said, strict=True))
    assert right - 0.15 < mean < right + 0.02 and found.brier < 0.25
    shares_right = [each.right / each.choices for each in found.bins if each.choices >= 50]
    assert shares_right == sorted(shares_right)
