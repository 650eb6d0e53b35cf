"""R2E-Gym's rule on cases made by hand: what is kept by the judge first, then regression, reproduction, judge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import Candidate, Run, Script
from selection import (
    UNFIXED,
    Cases,
    Evidence,
    Judgement,
    Match,
    PatchFacts,
    Regression,
    Reproduction,
    Test,
    open_pairs,
    strategy,
)

OUT_OF = 10


def made(**scores) -> Evidence:
    """name=(P(YES), existing tests passed of 10, cases resolved of 10); None: missing. Patches tie in length."""
    yes = {name: Judgement(s[0], "log-probabilities") for name, s in scores.items() if s[0] is not None}
    passed = {name: s[1] for name, s in scores.items() if s[1] is not None}
    cases = {str(i): "reproduced" for i in range(OUT_OF)}
    runs = {
        name: Cases({c: "resolved" if i < s[2] else "reproduced" for i, c in enumerate(cases)})
        for name, s in scores.items()
        if s[2] is not None
    }
    return Evidence(
        candidates=tuple(Candidate(name, f"patch {name}") for name in scores),
        applies=dict.fromkeys(scores, True),
        regressions={
            name: Regression(tuple(f"t{i}" for i in range(OUT_OF - n)), n, OUT_OF)
            for name, n in passed.items()
        },
        reproductions=(Reproduction("cases-1", Script("sh", ""), {UNFIXED: Cases(cases), **runs}),),
        judgements=yes,
    )


def order(name: str, evidence: Evidence) -> str:
    return "".join(ranked.candidate for ranked in strategy(name)(evidence).order)


@pytest.mark.parametrize(
    ("scores", "hybrid", "execution", "judge"),
    [
        # The judge's last is not kept (3 of 4), however good its tests; among the kept, tests decide.
        (dict(a=(0.9, 8, 0), b=(0.8, 9, 5), c=(0.7, 9, 6), d=(0.6, 10, 10)), "cbad", "dcba", "abcd"),
        # Half of eight is four: the fifth is out although it passes most.
        (dict(a=(0.9, 5, 0), b=(0.8, 5, 0), c=(0.7, 5, 0), d=(0.6, 6, 0), e=(0.5, 9, 9), f=(0.4, 9, 9),
              g=(0.3, 9, 9), h=(0.2, 9, 9)), "dabcefgh", "efghdabc", "abcdefgh"),
        # Of seven, 7 // 2 = 3 are kept.
        (dict(a=(0.9, 1, 0), b=(0.8, 2, 0), c=(0.7, 3, 0), d=(0.6, 9, 0), e=(0.5, 9, 0), f=(0.4, 9, 0),
              g=(0.3, 9, 0)), "cbadefg", "defgcba", "abcdefg"),
        # Ties in regression go to reproduction, ties in that to the judge.
        (dict(a=(0.5, 9, 5), b=(0.7, 9, 4), c=(0.6, 9, 5)), "cab", "acb", "bca"),
        # The judge ties: regression, then reproduction, decide who is kept.
        (dict(a=(0.5, 1, 9), b=(0.5, 2, 0), c=(0.5, 2, 1), d=(0.5, 3, 0)), "dcba", "dcba", "abcd"),
        # All tie: the id, since patches are as long.
        (dict(c=(0.5, 9, 5), a=(0.5, 9, 5), b=(0.5, 9, 5)), "abc", "abc", "abc"),
        # One candidate, with and without scores.
        (dict(a=(0.1, 0, 0)), "a", "a", "a"),
        (dict(a=(None, None, None)), "a", "a", "a"),
        # Missing is the worst: no judge's word is below any, so d is not kept; no test run is below no test passed.
        (dict(a=(0.1, 0, 0), b=(0.2, 0, 1), c=(0.3, None, 9), d=(None, 10, 10)), "bacd", "dbac", "cbad"),
        # Nobody was judged: regression and reproduction alone.
        (dict(a=(None, 8, 0), b=(None, 9, 3), c=(None, 9, 4)), "cba", "cba", "abc"),
    ],
)  # fmt: skip
def test_the_rule(scores, hybrid, execution, judge):
    evidence = made(**scores)
    assert order("hybrid", evidence) == hybrid
    assert order("execution", evidence) == execution
    assert order("judge", evidence) == judge


def test_empty_patches_and_those_that_do_not_apply_are_not_counted_among_n():
    """Six that apply keep three; with two more that cannot be chosen it is still three, not four."""
    scores = {name: (0.9 - i / 10, i, 0) for i, name in enumerate("abcdef")}
    evidence = made(**scores)
    more = Evidence(
        candidates=(*evidence.candidates, Candidate("x", ""), Candidate("y", "does not apply")),
        applies={**evidence.applies, "x": True, "y": False},
        regressions=evidence.regressions,
        judgements={**evidence.judgements, "y": Judgement(1.0, "samples")},
    )
    assert order("hybrid", more) == "cbadefyx"


def test_a_case_that_is_not_reproduced_on_the_unfixed_code_counts_for_nothing():
    evidence = made(a=(0.5, 9, 0), b=(0.5, 9, 3))
    (cases,) = evidence.reproductions
    unfixed = Cases(
        {case: "resolved" if case in "012" else "reproduced" for case in cases.runs["a"].outcomes}
    )
    silent = Reproduction("cases-1", cases.script, {**cases.runs, UNFIXED: unfixed})
    evidence = Evidence(evidence.candidates, (), evidence.applies, {}, evidence.regressions, None,
                        reproductions=(silent,))  # fmt: skip
    assert order("execution", evidence) == "ab"  # b's three say nothing: all ties, the id decides


def filtered(**kinds) -> Evidence:
    """name=(patch, broken tests, generated tests passed of 2)."""
    tests = (Test("test-1", Script("sh", "1")), Test("test-2", Script("sh", "2")))
    return Evidence(
        candidates=tuple(Candidate(name, patch) for name, (patch, _, _) in kinds.items()),
        tests=tests,
        applies=dict.fromkeys(kinds, True),
        cells={
            **{(UNFIXED, test.id): Run(2, "") for test in tests},
            **{(name, t.id): Run(0 if i < n else 2, "") for name, (_, _, n) in kinds.items()
               for i, t in enumerate(tests)},
        },
        regressions={name: Regression(("t",) * b, 9 - b, 9) for name, (_, b, _) in kinds.items()},
        facts={name: PatchFacts(normal=patch.strip().lower()) for name, (patch, _, _) in kinds.items()},
    )  # fmt: skip


def test_agentless_filters_then_the_majority_of_normalised_patches_decides():
    evidence = filtered(a=("X1", 1, 2), b=("y", 0, 1), c=("zz ", 0, 2), d=("ZZ", 0, 2), e=("w", 0, 2))
    assert order("agentless", evidence) == "dceba"


def test_trae_keeps_all_where_none_passes_and_groups_decide_without_a_selector():
    evidence = filtered(a=("x", 2, 2), b=("yyy", 1, 0), c=("YYY", 3, 0))
    assert strategy("trae")(evidence).chosen == "b"
    one_clean = filtered(a=("x", 2, 2), b=("yyy", 1, 0), c=("YYY", 3, 0), d=("long enough", 0, 0))
    assert strategy("trae")(one_clean).chosen == "d"


def test_self_consistency_takes_the_largest_group_of_one_behaviour():
    evidence = filtered(a=("a", 0, 2), b=("bb", 0, 1), c=("cc", 0, 1), d=("d", 0, 0))
    assert strategy("self-consistency")(evidence).chosen == "b"
    assert strategy("best-of-majority")(evidence).chosen == "b"


def test_the_tournament_asks_for_pairs_until_one_is_left():
    evidence = made(a=(None, 9, 0), b=(None, 9, 9), c=(None, 9, 0), d=(None, 9, 0), e=(None, 9, 0))
    assert open_pairs(evidence, 2) == (("a", "b"), ("c", "d"))
    said = (Match("a", "b", "a"), Match("b", "a", "a"), Match("c", "d", "d"), Match("d", "c", None))
    evidence = replace(evidence, matches=said)
    assert open_pairs(evidence, 2) == (("a", "d"),)  # e has no neighbour and goes on unplayed
    evidence = replace(evidence, matches=(*said, Match("a", "d", "a"), Match("d", "a", "d")))
    assert open_pairs(evidence, 2) == (("a", "e"),)  # a tie: execution ties too, so the id
    evidence = replace(evidence, matches=(*evidence.matches, Match("a", "e", "e"), Match("e", "a", "e")))
    assert open_pairs(evidence, 2) == ()
    assert order("tournament", evidence) == "eadbc"
    assert "unbeaten in 3 rounds: 2 matches won" in strategy("tournament")(evidence).order[0].reasons[0]
