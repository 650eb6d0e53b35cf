"""Who makes which attempt of a mixture: by shares, by what was achieved; and the temperatures of samples in turn."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import AttemptSettings, ToolSettings
from agent.ways.mixture import MemberSettings, MixtureSettings, by_shares, thompson

shares = st.lists(st.integers(1, 50), min_size=1, max_size=5)


def members(given: list[int]) -> list[MemberSettings]:
    return [MemberSettings(name=f"m{i}", share=share) for i, share in enumerate(given)]


@given(shares, st.integers(1, 60))
def test_every_member_is_near_its_share_after_every_attempt(given_, attempts):
    order = by_shares(members(given_), attempts)
    assert len(order) == attempts
    for n in range(1, attempts + 1):
        made = Counter(member.name for member in order[:n])
        for i, share in enumerate(given_):
            # The next one goes to whoever lacks most: nobody lacks a whole attempt for each other member.
            assert abs(made[f"m{i}"] - n * share / sum(given_)) < max(1, len(given_) - 1) + 1e-6


@given(shares, st.integers(1, 30), st.integers(1, 30))
def test_fewer_attempts_are_the_beginning_of_more(given_, fewer, more):
    order = by_shares(members(given_), fewer + more)
    assert by_shares(members(given_), fewer) == order[:fewer]


def test_whole_rounds_are_exactly_the_shares():
    order = by_shares(members([1, 2, 5]), 80)
    assert Counter(member.name for member in order) == {"m0": 10, "m1": 20, "m2": 50}


def test_equal_shares_take_turns():
    assert [member.name for member in by_shares(members([3, 3, 3]), 7)] == "m0 m1 m2 m0 m1 m2 m0".split()


def test_a_bandit_draws_the_same_again_and_another_seed_draws_something_else():
    record = {"a": (3, 2), "b": (2, 3)}
    assert thompson(record, 50, "0 issue 1") == thompson(record, 50, "0 issue 1")
    assert thompson(record, 50, "0 issue 1") != thompson(record, 50, "0 issue 2")


def test_a_bandit_prefers_whoever_succeeds_and_still_tries_who_is_unknown():
    drawn = Counter(thompson({"good": (40, 4), "bad": (4, 40), "new": (0, 0)}, 2_000, "seed"))
    assert drawn["good"] > 1_500 and drawn["bad"] == 0
    assert 100 < drawn["new"] < 500  # Beta(1, 1) is above a Beta(41, 5) about one time in ten
    even = Counter(thompson({"a": (0, 0), "b": (0, 0)}, 2_000, "seed"))
    assert abs(even["a"] - 1_000) < 150


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": [{}]},
        {"members": [{"model": "a"}, {"name": "a"}]},
        {"members": [{"model": "a", "share": 0}]},
        {"members": [{"model": "a", "share": "inf"}]},
        {"members": [{"model": "a", "agent": "wizard"}]},
        {"members": [{"model": "a"}], "by": "luck"},
    ],
)
def test_a_mixture_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        MixtureSettings.model_validate(wrong)


def test_a_members_name_is_its_models_unless_it_has_one():
    said = MixtureSettings.model_validate({"members": [{"model": "a"}, {"model": "a", "name": "b"}]})
    assert [member.name for member in said.members] == ["a", "b"]
    assert MixtureSettings.model_validate(said.model_dump()) == said


@pytest.mark.parametrize("settings", [AttemptSettings, ToolSettings])
def test_temperatures_are_taken_in_turn(settings):
    some = settings(temperature=0.3, temperatures=(0.0, None, 1.0))
    assert [some.of_sample(n).temperature for n in range(1, 6)] == [0.0, None, 1.0, 0.0, None]
    plain = settings(temperature=0.3)
    assert plain.of_sample(7) is plain
