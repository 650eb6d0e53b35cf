"""Figures against brute force, known laws and each other."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.figures import Counts, figures, pass_at_k, shown_ks
from winnow.figures_bootstrap import Estimate, interval, resampled_means
from winnow.figures_law import Law, fit_law

graded = st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
one = graded.flatmap(
    lambda nc: st.builds(Counts, st.just(nc[0]), st.just(nc[1]), st.sampled_from([None, False, nc[1] > 0]))
)
issues = st.lists(one | st.just(Counts(0, 0)), min_size=1, max_size=30)


@given(graded)
def test_pass_at_k_grows_from_the_share_to_coverage(nc):
    n, c = nc
    values = [pass_at_k(n, c, k) for k in range(1, n + 1)]
    assert values == sorted(values) and all(0 <= value <= 1 for value in values)
    assert values[0] == pytest.approx(c / n)
    assert values[-1] == float(c > 0)


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_what_counting_every_draw_gives(nck):
    n, c, k = nck
    draws = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@given(st.integers(1, 8), st.floats(0, 1), st.data())
def test_pass_at_k_is_unbiased(n, p, data):
    """Over all outcomes of n attempts that are each right with chance p, its mean is 1 - (1 - p)^k."""
    k = data.draw(st.integers(1, n))
    mean = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(n, c, k) for c in range(n + 1))
    assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-9)


def test_pass_at_k_of_many_attempts_needs_no_factorials():
    assert pass_at_k(100_000, 1, 10_000) == pytest.approx(0.1)
    assert pass_at_k(100_000, 99_999, 1) == pytest.approx(0.99999)


@pytest.mark.parametrize("wrong", [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4), (0, 0, 1)])
def test_what_is_not_defined_is_refused(wrong):
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(*wrong)


@given(st.integers(0, 3000))
def test_every_small_k_and_the_last_one_are_shown(most):
    ks = shown_ks(most)
    assert list(ks) == sorted(set(ks)) and len(ks) < 80
    assert not ks if most == 0 else (ks[0], ks[-1]) == (1, most)
    assert set(range(1, min(most, 10) + 1)) <= set(ks)


@settings(max_examples=40)
@given(issues, st.randoms())
def test_figures_agree_with_each_other(some, chance):
    found = figures(some, resamples=50)
    covered = sum(issue.right > 0 for issue in some) / len(some)
    assert found.coverage.value == pytest.approx(covered)
    values = [at.estimate.value for at in found.passes]
    assert values == sorted(values)
    if values:
        assert values[-1] == pytest.approx(covered)
        assert found.passes[0].fewer == sum(issue.graded == 0 for issue in some)
    if found.resolved is not None:
        assert found.resolved.value == pytest.approx(sum(bool(i.chosen) for i in some) / len(some))
        if covered:
            assert found.efficiency.value == pytest.approx(found.resolved.value / covered)
        else:
            assert found.efficiency is None
    # the same whatever the order, and each time it is asked
    shuffled = list(some)
    chance.shuffle(shuffled)
    again = figures(shuffled, resamples=50)
    assert again.coverage == found.coverage and [p.fewer for p in again.passes] == [
        p.fewer for p in found.passes
    ]


def test_nothing_chosen_and_nothing_there():
    assert figures([]) is None
    found = figures([Counts(2, 1), Counts(0, 0)], resamples=20)
    assert found.resolved is None and found.efficiency is None and found.coverage.value == 0.5
    nothing = figures([Counts(0, 0, False)], resamples=20)
    assert nothing.passes == () and nothing.law is None and nothing.resolved == Estimate(0, 0, 0)


def test_bootstrap_is_decided_by_its_seed():
    rows = [(float(n % 3 == 0), float(n)) for n in range(40)]
    first = resampled_means(rows, 200, seed=1)
    assert first == resampled_means(list(reversed(rows)), 200, seed=1)
    assert first != resampled_means(rows, 200, seed=2)


def test_bootstrap_is_as_wide_as_theory_says():
    """Of 400 issues half of which are right: half a width of 1.96 * sqrt(0.25 / 400)."""
    low, high = interval([m[0] for m in resampled_means([(float(n < 200),) for n in range(400)], 4000, 3)])
    assert low == pytest.approx(0.451, abs=0.006) and high == pytest.approx(0.549, abs=0.006)


def test_equal_rows_are_added_up_as_single_ones_would_be():
    """The mean over all resamples is the mean of the rows, however many are alike."""
    rows = [(1.0,)] * 3 + [(0.0,)] * 9 + [(0.5,)] * 4
    means = [m[0] for m in resampled_means(rows, 5000, seed=7)]
    assert sum(means) / len(means) == pytest.approx(5 / 16, abs=0.005)
    assert interval([3.0]) == (3.0, 3.0) and interval([0.0, 1.0], level=0.5) == (0.25, 0.75)


@given(st.floats(-3, -0.05), st.floats(-1.5, -0.05))
def test_the_law_is_found_again(a, b):
    ks = range(1, 33)
    law = fit_law(ks, [Law(a, b).at(k) for k in ks])
    if law is None:  # a curve that is 1 to the last digit
        assert sum(Law(a, b).at(k) < 1 for k in ks) < 3
    else:
        assert (law.a, law.b) == (pytest.approx(a, rel=1e-3), pytest.approx(b, rel=1e-3))


def test_the_law_with_its_interval_from_simulated_attempts():
    """Issues whose chances are such that coverage follows a law: the interval holds the law's coverage."""
    chance = random.Random(5)
    # -log coverage falls as a power of k where few issues are nearly hopeless: chances spread over magnitudes.
    odds = [10 ** chance.uniform(-3.5, 0) for _ in range(400)]
    truth = {k: sum(1 - (1 - p) ** k for p in odds) / len(odds) for k in (1, 20, 40)}
    some = [Counts(20, sum(chance.random() < p for _ in range(20))) for p in odds]
    law = figures(some).law
    assert law.a.low < law.a.value < law.a.high < 0 and law.b.low < law.b.value < law.b.high < 0
    assert law.worst < 0.02
    (twice, ahead), (tenfold, _) = law.ahead
    assert (twice, tenfold) == (40, 200)
    assert ahead.low - 0.03 < truth[40] < ahead.high + 0.03


def test_the_law_is_not_fitted_to_lower_bounds():
    """Issues with fewer attempts would bend the curve: it is fitted to where they are few."""
    whole = [Counts(10, c) for c in (0, 0, 1, 1, 2, 3, 5, 8)] * 20
    law = figures(whole, resamples=50).law
    a_few = figures([*whole, *[Counts(3, 1)] * 3], resamples=50).law
    assert law.ahead[0][0] == a_few.ahead[0][0] == 20
    many = figures([*whole, *[Counts(4, 1)] * 30], resamples=50).law
    assert many.ahead[0][0] == 8
    assert figures([*whole, *[Counts(2, 1)] * 30], resamples=50).law is None


def test_no_law_where_nothing_grows_or_little_is_known():
    assert fit_law([1, 2, 3], [0.0, 0.0, 0.0]) is None
    assert fit_law([1, 2, 3], [0.5, 1.0, 1.0]) is None
    flat = fit_law([1, 2, 4], [0.5, 0.5, 0.5])
    assert flat.b == pytest.approx(0) and flat.at(100) == pytest.approx(0.5)
