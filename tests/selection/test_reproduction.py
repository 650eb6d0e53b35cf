"""Reproduction cases: what is read, what is asked again, and what runs on the candidates."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE

from agent import Candidate, ReplyError, Run, Script
from models import BudgetSpent, Unreachable
from selection import UNFIXED, Cases, SelectionSettings, check_applies
from selection.reproduction import _read, run_reproductions, write_reproduction
from selection.reproduction_cases import faults_of, read_cases

SETTINGS = SelectionSettings(script_timeout=PATIENCE, reproduction_calls=3)
in_session = pytest.mark.asyncio(loop_scope="session")


def cases(output: str, code: int = 0, ended: str = "exited") -> Cases:
    return read_cases(Run(code, output, ended), 9)


@pytest.mark.parametrize(
    "line",
    ["[a] Issue resolved", "  [ a ]  issue resolved.", "[a] ISSUE RESOLVED \t", "[a]Issue resolved"],
)
def test_an_outcome_is_known_however_it_is_dressed(line):
    assert cases(f"noise\n{line}\n[x] Issue solved\n").outcomes == {"a": "resolved"}


def test_names_tell_cases_apart():
    said = (
        "Issue reproduced\n[b] Other issues\nIssue resolved\nseen: Issue resolved\n[c] Issue resolved here\n"
    )
    assert cases(said).outcomes == {"case 1": "reproduced", "b": "other", "case 3": "resolved"}
    assert cases("[a] Issue resolved\n[a] Issue resolved\n").outcomes == {"a": "resolved"}
    assert cases("[a] Issue resolved\n[a] Issue reproduced\n[a] Issue reproduced\n").outcomes == {
        "a": "other"
    }


@pytest.mark.parametrize(
    ("cases", "error"),
    [
        (cases("no word", 1), "it printed no outcome (exit code 1)"),
        (cases("", 137, "killed"), "it ended its sandbox"),
        (cases("[a] Issue resolved", 124, "timeout"), "it did not end within 9 seconds and was stopped"),
        (cases("[a] Issue resolved", 1), ""),
    ],
)
def test_how_a_run_without_outcomes_ended_is_said(cases, error):
    assert cases.error == error


@given(
    st.lists(st.sampled_from(["[", "]", "a", " ", "\n", "Issue resolved", "Other issues", "\t"])).map("".join)
)
def test_any_output_is_read(output):
    for name, outcome in cases(output).outcomes.items():
        assert name.strip() == name and outcome in ("reproduced", "resolved", "other")


@given(
    st.text()
    | st.lists(
        st.sampled_from(["<<<<< TEST", ">>>>> END", "<<<<< DONE", "#!/bin/sh", "x", "", "\\", "```"])
    ).map("\n".join)
)
def test_any_reply_is_a_file_or_refused(said):
    try:
        script = _read(said)
    except ReplyError as error:
        assert str(error)
    else:
        assert isinstance(script, Script) and script.text.strip()


def test_a_file_is_judged_by_the_unfixed_code():
    good = Cases({str(i): "reproduced" for i in range(10)})
    assert faults_of(good) == []
    assert "9 cases" in faults_of(Cases({str(i): "reproduced" for i in range(9)}))[0]
    mixed = Cases({str(i): "resolved" if i < 7 else "reproduced" for i in range(12)})
    assert faults_of(mixed) == [
        "5 of 12 cases reproduce the issue on the unfixed code. The others tell nothing: "
        "resolved already: 0, 1, 2, 3, 4, 5, 6."
    ]
    assert faults_of(cases("", 1)) == ["It printed no outcome (exit code 1)."]


# With a model and sandboxes -------------------------------------------------------------------------------------------


def file_of(pairs: list[tuple[int, int]]) -> str:
    """A reply with one case for each pair: the total is right, or what the bug makes of it, or something else."""
    lines = ["<<<<< TEST", "#!/bin/sh"]
    for a, b in pairs:
        lines += [
            f"seen=$(sh total.sh {a} {b})",
            f'case "$seen" in {a + b}) o="Issue resolved";; {a - b}) o="Issue reproduced";; *) o="Other issues";; esac',
            f'echo "[{a}-{b}] $o"',
        ]
    return "\n".join(["So.", *lines, ">>>>> END"])


GOOD = file_of([(1, 2), *((i, 1) for i in range(5, 14))])
THIN = file_of([(1, 2), (3, 0)])


@pytest.fixture
def write(task, base, replies):
    async def run(said, settings=SETTINGS, number=1):
        told = replies(said)
        base.book["copies"].clear()
        return *await write_reproduction(told.model, base, task, settings, number), told

    return run


@pytest.mark.overlay
@in_session
async def test_a_file_that_reproduces_is_taken_at_once(write, base, task):
    found, why, told = await write([GOOD], number=2)
    assert (found.id, why, len(told.asked)) == ("cases-2", "", 1)
    assert found.runs[UNFIXED].count("reproduced") == 10
    assert told.asked[0][0] == "reproduction/cases-2" and told.asked[0][1].temperature == 0.5
    assert base.book["copies"] == ["reproduction/cases-2/unfixed-1"]
    opening = told.asked[0][1].messages[0].content
    assert task.issue in opening and "`sh tests/all.sh`" in opening and "echo $(($1 - $2))" not in opening


@pytest.mark.overlay
@in_session
async def test_the_files_that_candidates_change_are_shown_as_they_are(task, base, replies, totals):
    told = replies([GOOD])
    paths = ["total.sh", "new.sh"]  # one of which only a candidate has
    found, why = await write_reproduction(told.model, base, task, SETTINGS, paths=paths)
    opening = told.asked[0][1].messages[0].content
    assert found is not None and why == ""
    assert "## total.sh" in opening and totals.BUGGY in opening and "new.sh" not in opening


@pytest.mark.overlay
@in_session
async def test_what_cannot_be_used_goes_back_with_the_reason(write):
    found, why, told = await write(["no block", THIN, GOOD])
    assert found.runs[UNFIXED].count("reproduced") == 10 and why == ""
    assert "There is no block in the reply" in told.last(1)
    assert "It has 2 cases with a name of their own; 10 are the least." in told.last(2)
    assert "[1-2] Issue reproduced" in told.last(2) and "Exit code: 0\n" in told.last(2)
    assert "You have 1 reply left" in told.last(2)


@pytest.mark.overlay
@in_session
async def test_at_the_end_of_calls_what_tells_something_is_kept(write):
    found, why, _ = await write([THIN, file_of([(3, 0)]), "nothing"])
    assert found.runs[UNFIXED].count("reproduced") == 1 and why == ""
    found, why, _ = await write([file_of([(3, 0), (4, 0)])] * 3)
    assert found is None and why.startswith("0 of 2 cases reproduce the issue")
    found, why, told = await write(["a", "b", "c", "d"])
    assert found is None and why == "no file of cases could be read" and len(told.asked) == 3


@pytest.mark.overlay
@in_session
async def test_budgets_end_it_and_faults_of_the_world_are_raised(write):
    found, why, _ = await write([THIN, BudgetSpent("1 USD is spent")])
    assert found is not None and why == ""
    found, why, _ = await write([BudgetSpent("1 USD is spent")])
    assert found is None and why == "1 USD is spent"
    with pytest.raises(Unreachable):
        await write([Unreachable("no answer")])


@pytest.mark.overlay
@in_session
async def test_on_every_candidate_once(write, task, base, candidate, totals):
    found, _, _ = await write([GOOD])
    candidates = [
        candidate("attempt-1", {"total.sh": totals.RIGHT}),
        candidate("attempt-2", {"total.sh": totals.ALWAYS_THREE}),
        candidate("attempt-3", {"total.sh": totals.RIGHT}),
        Candidate("attempt-4", ""),
    ]
    base.book["copies"].clear()

    async def run(of, some):
        slots = asyncio.Semaphore(2)
        return await run_reproductions(
            base, task, of, check_applies(task, some), timeout=PATIENCE, slots=slots
        )

    (first,) = await run([found], candidates[:1])
    assert base.book["copies"] == ["reproduction/on/attempt-1", "reproduction/on/attempt-1/cases-1"]
    base.book["copies"].clear()
    (whole,) = await run([first], candidates)
    assert base.book["copies"] == ["reproduction/on/attempt-2", "reproduction/on/attempt-2/cases-1"]
    counts = {name: cases.count("resolved") for name, cases in whole.runs.items()}
    assert counts == {UNFIXED: 0, "attempt-1": 10, "attempt-2": 1, "attempt-3": 10}
    assert whole.runs["attempt-2"].outcomes["1-2"] == "resolved"
    assert await run([], candidates) == ()
