"""Every kind of evidence in one gathering, gathered once, and again only what is missing."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from waiting import PATIENCE

from agent import Candidate, Run
from models import BudgetSpent, DeterministicModel, Request
from selection import (
    UNFIXED,
    Evidence,
    Existing,
    Judgement,
    Match,
    Regression,
    SelectionSettings,
    Test,
    gather_evidence,
)
from selection.known import distinct_tests, still_true
from selection.trajectory import Trajectory, Turn

in_session = pytest.mark.asyncio(loop_scope="session")
EVERYTHING = SelectionSettings(
    strategy="winnow",
    script_timeout=PATIENCE,
    parallel=2,
    repeats=2,
    extra_tests=2,
    reproduction_files=1,
    judge=True,
    judge_samples=2,
    tournament=True,
    machine_runs=3,
)
CASES = "\n".join(
    ["<<<<< TEST", "#!/bin/sh", "for i in 1 2 3 4 5 6 7 8 9 10; do"]
    + [
        'case "$(sh total.sh 20 $i)" in',
        '$((20 + i))) o="Issue resolved";; $((20 - i))) o="Issue reproduced";;',
    ]
    + ['*) o="Other issues";; esac', 'echo "[case-$i] $o"; done', ">>>>> END"]
)
SUMMARY = (
    "<<<<< SUMMARY\n===== HYPOTHESIS\na\n===== PROGRESS\nb\n===== FAILURES\nc\n===== PATCH\nd\n>>>>> END"
)
TEST = '<<<<< TEST\n#!/bin/sh\n[ "$(sh total.sh 7 8)" = 15 ] || exit 2\n>>>>> END'


class Colleague:
    """A model that answers every kind of question, by its place; what it was asked is kept."""

    def __init__(self):
        self.asked: list[str] = []
        self.model = DeterministicModel(self._answer)

    def _answer(self, request: Request, at: str):
        self.asked.append(at)
        kind = at.split("/")[0]
        if kind in ("execution-free", "summary", "match"):
            assert "## total.sh\n\n````\n# adds two numbers" in request.messages[0].content
        if kind == "reproduction":
            return CASES
        if kind == "execution-free":
            return "YES" if "$1 + $2" in request.messages[0].content else "NO"
        if kind == "summary":
            return SUMMARY
        if kind == "match":
            return "<<<<< WINNER\nA\nIt stands first.\n>>>>> END"
        if kind == "distinguishing":
            return "<<<<< NO DIFFERENCE"
        assert re.fullmatch(r"selection(-\d)?", kind), at
        return TEST if request.messages[-1].content.startswith("Write the first test") else _winner(request)

    def kinds(self) -> set[str]:
        return {at.split("/")[0] for at in self.asked}


def _winner(request: Request) -> str:
    shown = re.findall(r"^# Candidate (\w)$", request.messages[0].content, re.MULTILINE)
    return f"<<<<< WINNER\n{shown[0]}\nIt is right.\n>>>>> END"


@pytest.fixture
def pool(candidate, totals):
    small = totals.total_is(1, 2, 3)
    return [
        candidate("attempt-1", {"total.sh": totals.RIGHT.replace("adds two", "adds up two")}, small),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE}, small),
        candidate("attempt-3", {"total.sh": totals.RIGHT}, totals.total_is(40, 50, 90)),
        candidate("attempt-4", {}),
    ]


TRAJECTORIES = {
    "attempt-1": Trajectory((Turn("said", "I am not sure about negative numbers."),), ("network",))
}


@pytest.mark.overlay
@in_session
async def test_everything_then_nothing_more(task, base, pool):
    colleague, stages = Colleague(), []
    found = await gather_evidence(
        colleague.model,
        base,
        task,
        pool,
        EVERYTHING,
        progress=lambda *said: stages.append(said[0]),
        trajectories=TRAJECTORIES,
    )
    empty = [field.name for field in fields(Evidence) if not getattr(found, field.name)]
    assert empty == []
    assert found.facts["attempt-1"].files == ("total.sh",)
    assert found.signals["attempt-1"].doubt and found.signals["attempt-1"].flags == ("network",)
    assert {len(runs) for runs in found.repeats.values()} == {1} and (UNFIXED, "test-1") in found.repeats
    assert {n: cases.count("resolved") for n, cases in found.reproductions[0].runs.items()} == {
        UNFIXED: 0,
        "attempt-1": 10,
        "attempt-2": 0,
        "attempt-3": 10,
    }
    assert found.existing.unfixed["small numbers"] == "failed"
    assert found.judgements["attempt-1"] == Judgement(1.0, "samples", 2)
    assert found.judgements["attempt-2"].yes == 0 and "attempt-4" not in found.judgements
    assert set(found.summaries) == {"attempt-1"}  # of the others no trajectory is known
    assert len(found.matches) == 4
    assert found.machine.winner and len(found.selectors) == 1  # two of three agree: nobody can be outvoted
    assert found.gaps == {
        "distinguishing tests": "the model sees no behaviour that tells attempt-1 and attempt-3 apart",
        "trajectories": "not known of attempt-2, attempt-3",
    }
    assert found.effort["judge"].calls == 6 and found.effort["judge"].executions == 0
    assert found.effort["existing tests"].executions == 5 and found.effort["reproduction cases"].calls == 1
    assert "repeats" in stages and "reproduction cases" in stages and "judge" in stages

    base.book["copies"].clear()
    nobody = Colleague()
    again = await gather_evidence(
        nobody.model, base, task, pool, EVERYTHING, known=found, trajectories=TRAJECTORIES
    )
    assert (nobody.asked, base.book["copies"]) == ([], [])
    assert again == found


@pytest.mark.overlay
@in_session
async def test_where_all_break_the_same_test_the_machine_is_asked_about_those_that_break_no_other(
    task, base, candidate, totals
):
    """Nobody is worth choosing then, though the issue may ask for that."""
    refuses = "# adds two numbers\n[ $1$2 = 00 ] && exit 1\necho $(($1 + $2))\n"
    texts = {
        "attempt-1": refuses,
        "attempt-2": refuses.replace("$1 + $2", "$2 + $1"),
        "attempt-3": refuses.replace("00", "00 -o $1 = 5"),
    }
    pool = [candidate(name, {"total.sh": text}, totals.total_is(1, 2, 3)) for name, text in texts.items()]
    colleague = Colleague()
    settings = SelectionSettings(strategy="winnow", script_timeout=PATIENCE, parallel=2)
    found = await gather_evidence(colleague.model, base, task, pool, settings)
    assert {name: found.regressions[name].broken for name in texts} == {
        "attempt-1": ("two zeros",),
        "attempt-2": ("two zeros",),
        "attempt-3": ("nothing added", "two zeros"),
    }
    assert found.machine.winner and set(found.machine.shown) == {"attempt-1", "attempt-2"}


@pytest.mark.overlay
@in_session
async def test_what_was_gathered_stays_and_what_is_missing_is_added(task, base, pool):
    little = SelectionSettings(machine="off", script_timeout=PATIENCE, regressions=False)
    first = await gather_evidence(Colleague().model, base, task, pool[:2], little)
    assert first.regressions["attempt-1"].error and first.existing is None
    base.book["copies"].clear()
    colleague = Colleague()
    more = await gather_evidence(
        colleague.model,
        base,
        task,
        pool,
        little.model_copy(update={"judge": True, "regressions": True}),
        known=first,
    )
    assert colleague.kinds() == {"execution-free"} and set(more.judgements) == {
        f"attempt-{i}" for i in (1, 2, 3)
    }
    ran = {name for name in base.book["copies"] if name.startswith("matrix/") and name.count("/") == 2}
    assert ran == {"matrix/attempt-3/test-1", "matrix/unfixed/test-3"} | {
        f"matrix/attempt-{i}/test-3" for i in (1, 2, 3)
    }
    assert more.regressions["attempt-2"].broken and more.cells["attempt-1", "test-1"].exit_code == 0
    whole = await gather_evidence(Colleague().model, _forgetting(base), task, pool, little)
    assert more.cells == whole.cells and more.tests == whole.tests


def _forgetting(base):
    base.book["copies"].clear()
    return base


@pytest.mark.overlay
@in_session
async def test_a_spent_budget_leaves_gaps_not_holes(task, base, pool):
    def refuse(request, at):
        raise BudgetSpent("1 USD is spent")

    found = await gather_evidence(DeterministicModel(refuse), base, task, pool, EVERYTHING)
    assert {
        found.gaps[kind] for kind in ("judge", "matches", "reproduction cases", "distinguishing tests")
    } == {"1 USD is spent"}
    assert found.cells and found.repeats and found.regressions["attempt-1"].known == 2
    assert found.machine.winner is None and found.reproductions == () and found.judgements == {}


@pytest.mark.parametrize(
    ("kinds", "changed"),
    [
        (("judge",), {"judge": True}),
        (("matches", "selection machine"), {"tournament": True, "machine": "full"}),
        (("reproduction cases", "existing tests"), {"reproduction_files": 1, "regressions": True}),
        (("generated tests", "patch facts"), {}),
    ],
)
def test_a_strategy_s_kinds_can_be_switched_on(kinds, changed):
    none = SelectionSettings(machine="off", regressions=False)
    assert none.gathering(kinds) == none.model_copy(update=changed)
    assert SelectionSettings(reproduction_files=3).gathering(["reproduction cases"]).reproduction_files == 3


# What is still true ---------------------------------------------------------------------------------------------------


def known(totals) -> Evidence:
    one = totals.total_is(1, 2, 3)
    return Evidence(
        candidates=(Candidate("a", "+x", one), Candidate("b", "+y")),
        tests=(Test("test-a", one), Test("extra-1", totals.script("exit 2"), "distinguishing")),
        applies={"a": True, "b": True},
        cells={(name, test): Run(2, "") for name in (UNFIXED, "a", "b") for test in ("test-a", "extra-1")},
        regressions={"a": Regression(), "b": Regression()},
        existing=Existing(unfixed={"t": "passed"}, differs={"a": {}, "b": {}}),
        judgements={"a": Judgement(1.0, "samples"), "b": Judgement(0.0, "samples")},
        matches=(Match("a", "b", "a"),),
        gaps={"judge": "1 USD is spent"},
    )


def test_another_patch_under_the_same_name_is_another_candidate(totals):
    before = known(totals)
    found = still_true(before, [before.candidates[0], Candidate("b", "+z"), Candidate("c", "+y")])
    assert {name for name, _ in found.cells} == {UNFIXED, "a"}
    assert set(found.regressions) == set(found.judgements) == set(found.existing.differs) == {"a"}
    assert found.matches == () and found.gaps == {} and found.existing.unfixed == {"t": "passed"}


def test_tests_keep_their_names_and_those_of_nobody_go(totals):
    before = known(totals)
    other = totals.script("exit 1")
    found = distinct_tests(
        [Candidate("a", "+x", other), Candidate("b", "+y", before.tests[0].script)], before.tests
    )
    assert [(test.id, test.origin) for test in found] == [
        ("test-a", "attempt"),
        ("test-a'", "attempt"),
        ("extra-1", "distinguishing"),
    ]
    assert found[0].script == before.tests[0].script
    assert [test.id for test in distinct_tests([Candidate("b", "+y")], before.tests)] == ["extra-1"]


def test_nothing_known_is_no_evidence():
    candidates = [Candidate("a", "+x")]
    assert still_true(None, candidates) == Evidence(tuple(candidates))
