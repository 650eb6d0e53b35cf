"""Strategies as properties: what must hold of a ranking whatever the evidence. And votes, by hand-made cases."""

from __future__ import annotations

import copy
import random
import socket
import subprocess
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import Candidate, Run, Script
from selection import (
    BOUNDS,
    STRATEGIES,
    UNFIXED,
    USES,
    Evidence,
    MachineChoice,
    Regression,
    Test,
    codemonkeys,
    most_votes,
    not_failing,
    oracle,
    strategy,
    top_shortlist,
    worth,
)

from .generated_evidence import evidence, keys_of, with_twin, without, without_all

quick = settings(max_examples=40)
ALL = {**STRATEGIES, "oracle": oracle({"attempt-1": True, "attempt-10": True, "attempt-2": False})}
WORTH_FIRST = ("votes", "codemonkeys")
"""Strategies that choose only what is worth choosing; the others choose what applies."""
DUPLICATES_VOTE = ("agentless", "trae", "best-of-majority", "self-consistency", "similarity", "random")
"""By definition: they count who came to the same, or draw among all."""
DUPLICATES_TAKE_PLACES = ("hybrid",)
"""R2E-Gym keeps the best half of all candidates, and a copy is one of them."""


def place(rank, given_evidence: Evidence, name: str) -> int:
    return [ranked.candidate for ranked in rank(given_evidence).order].index(name)


@quick
@given(data=st.data(), given_evidence=evidence())
def test_the_order_of_arrival_decides_nothing(data, given_evidence):
    shuffle = lambda value: data.draw(st.permutations(value))  # noqa: E731
    mapping = ("cells", "applies", "regressions", "judgements", "signals", "facts")
    shuffled = replace(
        given_evidence,
        **{field: tuple(shuffle(getattr(given_evidence, field))) for field in ("candidates", "tests", "matches",
           "reproductions", "selectors")},
        **{field: dict(shuffle(list(getattr(given_evidence, field).items()))) for field in mapping},
    )  # fmt: skip
    for name, rank in ALL.items():
        assert rank(shuffled) == rank(given_evidence), name
    assert top_shortlist(shuffled) == top_shortlist(given_evidence)


@quick
@given(data=st.data(), given_evidence=evidence(least=1))
def test_taking_a_candidates_evidence_away_never_ranks_it_up(data, given_evidence):
    """All of it, and each piece by itself. Of matches and selectors, what it won: what it lost is the other's too."""
    name = data.draw(st.sampled_from([c.id for c in given_evidence.candidates]))
    pieces = keys_of(given_evidence, name)
    lesser = [without_all(given_evidence, name)]
    lesser += [without(given_evidence, name, *piece) for piece in pieces]
    if given_evidence.machine and given_evidence.machine.winner == name:
        lesser.append(replace(given_evidence, machine=None))
    for called, rank in ALL.items():
        before, chosen = place(rank, given_evidence, name), rank(given_evidence).chosen
        for less, piece in zip(lesser, ["all", *pieces, "machine"], strict=False):
            assert place(rank, less, name) >= before, (called, piece)
            assert rank(less).chosen != name or chosen == name, (called, piece)
    assert name not in top_shortlist(lesser[0])


@quick
@given(data=st.data(), given_evidence=evidence(least=1), number=st.integers(13, 20))
def test_a_duplicate_of_a_failing_candidate_changes_nothing(data, given_evidence, number):
    failing = [c for c in given_evidence.candidates if c.id not in not_failing(given_evidence)]
    if not failing:
        return
    loser, twin = data.draw(st.sampled_from(failing)), f"attempt-{number}"
    more = with_twin(given_evidence, loser, twin)
    for name, rank in ALL.items():
        if name in (*DUPLICATES_VOTE, *DUPLICATES_TAKE_PLACES):
            continue
        before, after = rank(given_evidence), rank(more)
        assert after.chosen == before.chosen, name
        others = [ranked.candidate for ranked in after.order if ranked.candidate != twin]
        assert others == [ranked.candidate for ranked in before.order], name
    patches = {c.id: c.patch for c in more.candidates}
    assert [patches[i] for i in top_shortlist(more)] == [patches[i] for i in top_shortlist(given_evidence)]


@quick
@given(given_evidence=evidence())
def test_every_candidate_is_ranked_once_and_the_best_is_chosen_where_it_may_be(given_evidence):
    for name, rank in ALL.items():
        ranking = rank(given_evidence)
        assert sorted(r.candidate for r in ranking.order) == sorted(c.id for c in given_evidence.candidates)
        worths = [ranked.worth for ranked in ranking.order]
        assert worths == sorted(worths, reverse=True)
        assert (ranking.chosen is None) == (not any(worths)), name
        assert ranking.why and all(ranked.reasons for ranked in ranking.order)
        tied = list(ranking.tied)
        assert [ranked.candidate for ranked in ranking.order[: len(tied)]] == tied
        assert bool(tied) == (ranking.chosen is not None)
        if ranking.chosen:
            assert ranking.order[0].candidate == ranking.chosen
            winner = next(c for c in given_evidence.candidates if c.id == ranking.chosen)
            assert winner.patch
            assert name in (*BOUNDS, "oracle") or given_evidence.applies[winner.id]
            assert name not in WORTH_FIRST or worth(winner, given_evidence)[0]


@quick
@given(given_evidence=evidence())
def test_what_a_strategy_lacks_is_named(given_evidence):
    for name, rank in STRATEGIES.items():
        missing = rank(given_evidence).missing
        assert len(missing) <= len(USES[name])
        assert all(any(phrase.startswith(kind) for kind in USES[name]) for phrase in missing), name
    bare = Evidence(given_evidence.candidates, gaps={"judge": "no model was named"})
    for name, rank in STRATEGIES.items():
        assert len(rank(bare).missing) == len(USES[name]), name
    assert "judge: no model was named" in STRATEGIES["judge"](bare).missing


@quick
@given(given_evidence=evidence())
def test_strategies_are_pure(given_evidence):
    def refuse(*_, **__):
        raise AssertionError("a strategy looked at the world")

    kept = copy.deepcopy(given_evidence)
    for rank in ALL.values():
        rank(given_evidence)  # modules are imported once
    world = (
        *((socket, name) for name in ("socket", "create_connection", "getaddrinfo")),
        *((subprocess, name) for name in ("Popen", "run")),
        *((time, name) for name in ("time", "monotonic", "perf_counter", "time_ns", "sleep")),
        (random, "random"),
    )
    with pytest.MonkeyPatch.context() as patch:
        for where, what in world:
            patch.setattr(where, what, refuse)
        patch.setattr("builtins.open", refuse)
        first = [rank(given_evidence) for rank in ALL.values()]
        second = [rank(given_evidence) for rank in ALL.values()]
    assert first == second
    assert given_evidence == kept


def test_every_strategy_says_what_it_uses():
    assert set(USES) == set(STRATEGIES)


def evidence_of(votes: dict[str, int], *, patches: dict[str, str] | None = None, machine=None) -> Evidence:
    """Three tests that fail on the unfixed code; each candidate passes the first so many of them."""
    tests = tuple(Test(f"test-{i}", Script("sh", str(i))) for i in (1, 2, 3))
    cells = {(UNFIXED, test.id): Run(2, "") for test in tests}
    for name, count in votes.items():
        cells |= {(name, test.id): Run(0 if i < count else 2, "") for i, test in enumerate(tests)}
    return Evidence(
        candidates=tuple(Candidate(name, (patches or {}).get(name, f"patch of {name}")) for name in votes),
        tests=tests,
        applies=dict.fromkeys(votes, True),
        cells=cells,
        regressions=dict.fromkeys(votes, Regression(known=5, passed=5)),
        machine=machine,
    )


def test_those_that_only_the_last_resort_tells_apart_are_named():
    found = evidence_of({"a": 3, "b": 2, "c": 3, "d": 3}, patches={"d": "x" * 99})
    assert most_votes(found).tied == ("a", "c", "d") and most_votes(found).chosen == "a"
    assert STRATEGIES["regression"](found).tied == ("a", "b", "c", "d")
    assert STRATEGIES["regression"](replace(found, applies={"a": True})).tied == ("a",)
    decided = replace(found, machine=MachineChoice("d", "why", ("a", "d")))
    assert codemonkeys(decided).tied == ("d",)


def order(ranking) -> list[str]:
    return [ranked.candidate for ranked in ranking.order]


def test_votes_then_length_then_number():
    found = evidence_of(
        {"attempt-10": 2, "attempt-2": 2, "attempt-3": 2, "attempt-4": 3},
        patches={"attempt-10": "12345", "attempt-2": "54321", "attempt-3": "123", "attempt-4": "x" * 99},
    )
    assert order(most_votes(found)) == ["attempt-4", "attempt-3", "attempt-2", "attempt-10"]
    assert [r.votes for r in most_votes(found).order] == [3, 2, 2, 2]


def test_the_machine_outdoes_votes_only_in_its_own_strategy():
    found = evidence_of({"a": 3, "b": 2}, machine=MachineChoice("b", "a breaks empty input", ("a", "b")))
    assert codemonkeys(found).chosen == "b"
    assert most_votes(found).chosen == "a"
    assert "machine" not in most_votes(found).why
    assert codemonkeys(found).order[0].reasons[0] == "the selection machine's winner"


@pytest.mark.parametrize(
    "machine",
    [
        None,
        MachineChoice(None, "no call was left", ("a", "b")),
        MachineChoice("c", "not shown", ("a", "b")),
        MachineChoice("nobody", "unknown", ("a", "b", "nobody")),
        MachineChoice("broken", "not worth it", ("a", "broken")),
    ],
)
def test_where_the_machine_does_not_count_votes_decide(machine):
    found = evidence_of({"a": 3, "b": 2, "c": 1, "broken": 3}, machine=machine)
    found = replace(found, regressions={**found.regressions, "broken": Regression(("t",), 4, 5)})
    assert codemonkeys(found).chosen == "a"
    assert order(codemonkeys(found))[-1] == "broken"


def test_the_shortlist_has_each_patch_once_and_nothing_that_may_not_win():
    found = evidence_of(
        {"attempt-1": 3, "attempt-2": 3, "attempt-3": 0, "attempt-4": 2, "attempt-5": 3, "attempt-6": 1},
        patches={"attempt-1": "same", "attempt-2": "same", "attempt-5": ""},
    )
    assert top_shortlist(found) == ("attempt-1", "attempt-4", "attempt-6")
    assert top_shortlist(found, keep=1) == ("attempt-1",)
    assert "the same patch as attempt-1" in codemonkeys(found).order[1].reasons


def test_nothing_worth_choosing_is_said_and_nothing_is_chosen():
    found = evidence_of({"a": 0, "b": 1, "c": 2}, patches={"c": " \n"})
    found = replace(found, regressions={"a": Regression(known=1, passed=1), "b": Regression(("t",), 0, 1)})
    ranking = codemonkeys(found)
    assert ranking.chosen is None
    assert ranking.why == (
        "No candidate is worth choosing; of 3: 1 breaking existing tests, 1 empty, "
        "1 passing no generated test that counts."
    )
    assert order(ranking)[-1] == "c"
    assert codemonkeys(Evidence(())).why == "There is no candidate."


def test_why_says_what_the_choice_rests_on():
    found = evidence_of({"a": 3, "b": 2})
    assert codemonkeys(found).why == (
        "a: passes 3 of 3 generated tests that fail on the unfixed code; breaks none of 5 existing tests. "
        "It has the most votes, 3; b, the next, has 2."
    )
    tie = evidence_of({"a": 2, "b": 2}, machine=MachineChoice(None, "both\nare right", ("a", "b")))
    assert codemonkeys(tie).why.endswith(
        "The selection machine did not decide (both are right), so votes do: it has as many votes as b, 2, and "
        "its id comes first."
    )
    decided = replace(found, machine=MachineChoice("b", "it is better. " * 99, ("b", "a")))
    assert "The selection machine preferred it to a: it is better." in codemonkeys(decided).why
    assert len(codemonkeys(decided).why) < 700
    alone = evidence_of({"a": 1})
    assert codemonkeys(alone).why.endswith("No other patch is worth choosing.")
    twins = evidence_of({"a": 1, "b": 1}, patches={"a": "p", "b": "p"})
    assert codemonkeys(twins).why.endswith("No other patch is worth choosing; b made the same one.")


def test_strategies_have_names():
    assert strategy("codemonkeys") is codemonkeys
    with pytest.raises(ValueError, match="no strategy 'most_vote'; the nearest is 'most-votes'"):
        strategy("most_vote")
