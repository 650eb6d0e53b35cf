"""When more attempts would not change the answer: the rule alone, on what weighings may say."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import Candidate, Ending
from agent.ways import Weighed
from agent.ways.stopping import (
    AutoSettings,
    agreement,
    coverage,
    expected_gain,
    most_calls,
    sizes,
    verdict,
)

NEVER = {"gain": 0, "sure": 0.999999}
"""Settings of which no rule ends anything: a test says which one it is about."""


def weighed(*answers: int, sure: float | None = 0.3, worth: int | None = None) -> Weighed:
    """Candidates in ranked order, by the number of the answer that each gave; the first `worth` are worth choosing."""
    ids = tuple(f"attempt-{i}" for i in range(1, len(answers) + 1))
    groups = {a: tuple(i for i, b in zip(ids, answers, strict=True) if b == a) for a in answers}
    worthy = ids[: len(ids) if worth is None else worth]
    return Weighed(ids, worthy, sure if worthy else None, answers=tuple(groups.values()))


def why(*waves: Weighed, **settings: object) -> str:
    found = verdict(waves, AutoSettings(**{**NEVER, **settings}))
    assert found.stop == (found.why != "open")
    return found.why


@given(st.integers(0, 40), st.integers(0, 40))
def test_agreement_is_the_mass_of_the_beta_distribution_above_one_half(first, second):
    # Integrated term by term, exactly: x^a (1-x)^b by the binomial theorem.
    def mass(low: Fraction) -> Fraction:
        return sum(
            (
                Fraction((-1) ** i * comb(second, i), first + i + 1) * (1 - low ** (first + i + 1))
                for i in range(second + 1)
            ),
            Fraction(0),
        )

    assert agreement(first, second) == pytest.approx(float(mass(Fraction(1, 2)) / mass(Fraction(0))))


@given(st.integers(0, 30), st.integers(0, 30))
def test_more_of_the_same_answer_is_more_agreement(first, second):
    assert agreement(first + 1, second) > agreement(first, second) > agreement(first, second + 1)
    assert agreement(first, second) + agreement(second, first) == pytest.approx(1)


def test_four_that_agree_are_enough_and_one_that_does_not_asks_for_more():
    assert why(weighed(1, 1, 1), sure=0.95) == "open"
    assert why(weighed(1, 1, 1, 1), sure=0.95) == "agreement"
    assert why(weighed(1, 1, 1, 1, 2), sure=0.95) == "open"
    assert why(weighed(1, 1, 1, 1, 1, 1, 1, 2), sure=0.95) == "agreement"


def test_many_that_agree_on_what_is_not_worth_choosing_are_no_answer():
    assert why(weighed(1, 1, 1, 1, 1, 1, worth=0), sure=0.95) == "open"
    # The best alone is worth choosing: the others, though the same program, were not found to be.
    assert sizes(weighed(1, 1, 1, 1, worth=1)) == (1, 0)


def test_where_the_best_is_not_the_most_frequent_there_is_no_agreement():
    assert sizes(weighed(1, 2, 2, 2, 2)) == (1, 4)
    assert why(weighed(1, 2, 2, 2, 2, 2, 2), sure=0.95) == "open"


def test_the_surer_the_best_the_less_there_is_to_gain():
    assert why(weighed(1, 2, 3, sure=0.9), gain=0.01) == "little to gain"
    assert why(weighed(1, 2, 3, sure=0.3), gain=0.01) == "open"
    assert why(weighed(1, 2, 3, worth=0), gain=0.01) == "open"  # nothing worth choosing: all is to be gained
    assert why(weighed(1, 2, 3, sure=1.0), gain=0) == "open"  # 0: never for that


@given(st.integers(1, 200), st.integers(1, 20), st.floats(0, 1))
def test_what_there_is_to_gain_is_a_probability_and_falls_with_what_was_made(made, more, sure):
    law = AutoSettings().law
    gain = expected_gain(made, more, sure, law)
    assert 0 <= gain <= 1 - sure + 1e-12
    assert expected_gain(made + 1, more, sure, law) <= gain + 1e-12


def test_the_law_goes_through_the_points_that_were_published():
    law = AutoSettings().law
    assert coverage(1, law) == pytest.approx(0.159, abs=0.001)
    assert coverage(250, law) == pytest.approx(0.56, abs=0.005)


def test_patience_ends_where_waves_change_nothing():
    same = [weighed(1, 2, 3), weighed(1, 2, 3, 4, 5), weighed(1, 2, 3, 4, 5, 6, 7)]
    assert why(*same[:2], patience=2) == "open"
    assert why(*same, patience=2) == "nothing changes"
    assert why(same[0], same[1], weighed(1, 2, 3, 4, 5, 6, 7, sure=0.5), patience=2) == "open"  # surer by now


def test_patience_knows_an_answer_by_whoever_gave_it():
    def wave(first: str) -> Weighed:
        ids = (first, *(i for i in ("attempt-1", "attempt-2", "attempt-3") if i != first))
        return Weighed(ids, ids, 0.3, answers=(("attempt-1", "attempt-2"), ("attempt-3",)))

    assert why(wave("attempt-1"), wave("attempt-2"), patience=1) == "nothing changes"
    assert why(wave("attempt-3"), wave("attempt-2"), patience=1) == "open"
    nothing = weighed(1, 2, 3, worth=0)
    assert why(nothing, nothing, nothing, patience=1) == "open"


def candidate(calls: int, ending: Ending = Ending.FINISHED) -> Candidate:
    return Candidate(f"attempt-{calls}", "", ending=ending, calls=calls)


def test_an_attempt_is_given_up_at_a_multiple_of_what_finished_ones_took():
    settings = AutoSettings(longer=3, spared=8)
    assert most_calls([], settings) is None and most_calls([candidate(5)], settings) is None
    assert most_calls([candidate(5), candidate(7)], settings) == 18
    assert most_calls([candidate(1), candidate(2)], settings) == 8  # spared
    limited = [candidate(5), candidate(40, Ending.STEP_LIMIT), candidate(7), candidate(1, Ending.COST_LIMIT)]
    assert most_calls(limited, settings) == 18  # only those that finished say how long it takes
    assert most_calls(limited, AutoSettings(longer=None)) is None


@pytest.mark.parametrize(
    "wrong",
    [{"least": 5, "most": 4}, {"law": (0.1, -0.2)}, {"sure": 1}, {"wave": 0}, {"longer": 1}, {"mots": 3}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        AutoSettings(**wrong)
