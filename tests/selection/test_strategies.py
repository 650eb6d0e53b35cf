"""Strategies as properties: what must hold of a ranking whatever the evidence."""

from __future__ import annotations

import copy
import socket
import time
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent import Candidate, Run, Script
from selection import (
    STRATEGIES,
    UNFIXED,
    Evidence,
    MachineChoice,
    Regression,
    Test,
    codemonkeys,
    most_votes,
    strategy,
    top_shortlist,
)

ALL = pytest.mark.parametrize("rank", STRATEGIES.values(), ids=STRATEGIES)
PATCHES = ("", "short", "longer patch", "another one", "the longest patch of them all")
CODES = (0, 0, 1, 2, 2, 137)


@st.composite
def evidence(draw: st.DrawFn, least: int = 0) -> Evidence:
    """Evidence with gaps, ties, twins, a machine that may be wrong; ids in which 10 must stand after 2."""
    numbers = draw(st.lists(st.integers(1, 12), unique=True, min_size=least, max_size=6))
    candidates = tuple(Candidate(f"attempt-{i}", draw(st.sampled_from(PATCHES))) for i in numbers)
    tests = tuple(Test(f"test-{i}", Script("sh", str(i))) for i in range(draw(st.integers(0, 4))))
    names = [candidate.id for candidate in candidates]
    run = st.builds(
        Run, st.sampled_from(CODES), st.just(""), st.sampled_from(("exited", "exited", "timeout"))
    )
    cells = {}
    for test in tests:
        if draw(st.integers(0, 5)):
            cells[UNFIXED, test.id] = Run(draw(st.sampled_from((2, 2, 2, 0, 1))), "")
        for name in names:
            if draw(st.integers(0, 5)):
                cells[name, test.id] = draw(run)
    regression = st.sampled_from(
        (
            Regression(known=9, passed=9),
            Regression(known=9, passed=9),
            Regression(("t::a",), 8, 9),
            Regression(error="x"),
        )
    )
    machine = None
    if names and draw(st.booleans()):
        shown = tuple(draw(st.lists(st.sampled_from(names), unique=True)))
        machine = MachineChoice(draw(st.sampled_from((None, *names))), "because", shown)
    return Evidence(
        candidates=candidates,
        tests=tests,
        applies={
            name: draw(st.sampled_from((True, True, True, False)))
            for name in names
            if draw(st.integers(0, 9))
        },
        cells=cells,
        regressions={name: draw(regression) for name in names if draw(st.integers(0, 9))},
        machine=machine,
    )


def without(evidence: Evidence, name: str) -> Evidence:
    """All that was found out about one candidate taken away."""
    return replace(
        evidence,
        applies={k: v for k, v in evidence.applies.items() if k != name},
        cells={k: v for k, v in evidence.cells.items() if k[0] != name},
        regressions={k: v for k, v in evidence.regressions.items() if k != name},
    )


def place(rank, evidence: Evidence, name: str) -> int:
    return [ranked.candidate for ranked in rank(evidence).order].index(name)


@ALL
@given(data=st.data(), given_evidence=evidence())
def test_the_order_of_arrival_decides_nothing(rank, data, given_evidence):
    shuffled = replace(
        given_evidence,
        candidates=tuple(data.draw(st.permutations(given_evidence.candidates))),
        tests=tuple(data.draw(st.permutations(given_evidence.tests))),
        cells=dict(data.draw(st.permutations(list(given_evidence.cells.items())))),
    )
    assert rank(shuffled) == rank(given_evidence)
    assert top_shortlist(shuffled) == top_shortlist(given_evidence)


@ALL
@given(data=st.data(), given_evidence=evidence(least=1))
def test_taking_a_candidates_evidence_away_never_ranks_it_up(rank, data, given_evidence):
    name = data.draw(st.sampled_from([c.id for c in given_evidence.candidates]))
    less = without(given_evidence, name)
    assert place(rank, less, name) >= place(rank, given_evidence, name)
    assert rank(less).chosen != name or rank(given_evidence).chosen == name
    assert name not in top_shortlist(less)


@ALL
@given(data=st.data(), given_evidence=evidence(least=1))
def test_taking_one_piece_of_a_candidates_evidence_away_never_ranks_it_up(rank, data, given_evidence):
    name = data.draw(st.sampled_from([c.id for c in given_evidence.candidates]))
    key = data.draw(st.sampled_from([("applies", name), ("regressions", name)] + [("cells", k) for k in
        sorted(given_evidence.cells) if k[0] == name]))  # fmt: skip
    field, gone = key
    kept = {k: v for k, v in getattr(given_evidence, field).items() if k != gone}
    less = replace(given_evidence, **{field: kept})
    assert place(rank, less, name) >= place(rank, given_evidence, name)
    assert rank(less).chosen != name or rank(given_evidence).chosen == name


@ALL
@given(data=st.data(), given_evidence=evidence(least=1), number=st.integers(1, 20))
def test_a_duplicate_of_a_losing_candidate_changes_nothing(rank, data, given_evidence, number):
    before = rank(given_evidence)
    losers = [c for c in given_evidence.candidates if c.id != before.chosen]
    assume(losers)
    loser = data.draw(st.sampled_from(losers))
    winner = next((c for c in given_evidence.candidates if c.id == before.chosen), None)
    assume(winner is None or loser.patch != winner.patch)
    twin = f"attempt-{number}"
    assume(twin not in {c.id for c in given_evidence.candidates})
    more = replace(
        given_evidence,
        candidates=(*given_evidence.candidates, replace(loser, id=twin)),
        applies=given_evidence.applies
        | ({twin: given_evidence.applies[loser.id]} if loser.id in given_evidence.applies else {}),
        cells=given_evidence.cells
        | {(twin, test): run for (name, test), run in given_evidence.cells.items() if name == loser.id},
        regressions=given_evidence.regressions
        | ({twin: given_evidence.regressions[loser.id]} if loser.id in given_evidence.regressions else {}),
    )
    after = rank(more)
    assert after.chosen == before.chosen
    others = [ranked.candidate for ranked in after.order if ranked.candidate != twin]
    assert others == [ranked.candidate for ranked in before.order]
    patches = {c.id: c.patch for c in more.candidates}
    assert [patches[i] for i in top_shortlist(more)] == [patches[i] for i in top_shortlist(given_evidence)]


@ALL
@given(given_evidence=evidence())
def test_every_candidate_is_ranked_once_and_only_a_worthy_one_is_chosen(rank, given_evidence):
    ranking = rank(given_evidence)
    assert sorted(r.candidate for r in ranking.order) == sorted(c.id for c in given_evidence.candidates)
    worths = [ranked.worth for ranked in ranking.order]
    assert worths == sorted(worths, reverse=True)
    assert (ranking.chosen is None) == (not any(worths))
    assert ranking.why and all(ranked.reasons for ranked in ranking.order)
    if ranking.chosen:
        assert ranking.order[0].candidate == ranking.chosen


@ALL
@given(given_evidence=evidence())
def test_strategies_are_pure(rank, given_evidence):
    def refuse(*_, **__):
        raise AssertionError("a strategy looked at the world")

    kept = copy.deepcopy(given_evidence)
    with pytest.MonkeyPatch.context() as patch:
        for where, what in ((socket, "socket"), (time, "time"), (time, "monotonic"), (time, "perf_counter")):
            patch.setattr(where, what, refuse)
        patch.setattr("builtins.open", refuse)
        patch.setattr("random.random", refuse)
        first = rank(given_evidence)
        second = rank(given_evidence)
    assert first == second
    assert given_evidence == kept


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
