"""Every kind of evidence, gathered again from a recording: real prompts, real replies, real executions, no model.

A step that is not as it was when its reply was written (a changed prompt, another output) ends the replay with its
name: then tests/winnow/opening_hours.py says how the recording is made again.
"""

from __future__ import annotations

import pytest
from opening_hours import RECORDING, RUN, gather, new_store

from models import ReplayModel
from selection import KINDS, STRATEGIES, UNFIXED, card_of, card_text, oracle, strategy, with_confidence
from winnow.recording import compare

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("opening-hours")]
BEST = "attempt-1"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """(the evidence, the store, how many replies there are, how many were asked for)."""
    import asyncio

    folder = tmp_path_factory.mktemp("opening-hours")
    model, asked = ReplayModel(RECORDING), []
    real, model.ask = model.ask, lambda request, at="": asked.append(at) or real(request, at)
    with new_store(folder) as store:
        yield asyncio.run(gather(model, store, folder, "testhours")), store, len(model), asked


def test_every_reply_is_asked_for_once_and_every_execution_ends_as_it_did(replayed):
    _, store, replies, asked = replayed
    assert len(asked) == len(set(asked)) == replies
    assert compare(RECORDING, store, RUN) == []


def test_every_kind_says_what_it_said(replayed):
    found = replayed[0]
    assert set(found.effort) == set(KINDS) - {"trajectory signals", "patch facts"}
    assert [test.id for test in found.tests] == ["test-1", "test-2", "extra-1"]
    assert {name: found.cells[name, "extra-1"].exit_code for name in (UNFIXED, "attempt-4", "attempt-5")} == {
        UNFIXED: 2,
        "attempt-4": 0,
        "attempt-5": 2,
    }
    assert found.gaps["distinguishing tests"].endswith("tells attempt-1 and attempt-4 apart")
    [cases] = found.reproductions
    assert {n: c.count("resolved") for n, c in cases.runs.items()} == {
        UNFIXED: 1,  # which is left out: it tells nothing
        "attempt-1": 13,
        "attempt-2": 9,
        "attempt-3": 13,
        "attempt-4": 13,
        "attempt-5": 13,
    }
    assert found.regressions["attempt-3"].broken and not found.regressions["attempt-5"].broken
    assert (found.judgements[BEST].how, found.judgements["attempt-2"].how) == ("log-probabilities", "samples")
    assert found.judgements["attempt-2"].samples == 5
    assert set(found.summaries) == {"attempt-1", "attempt-2"}  # of the others no trajectory is known
    assert {match.winner for match in found.matches if BEST in (match.first, match.second)} == {BEST}
    assert found.machine.winner == BEST and "Candidate" not in found.machine.reason


def test_what_looks_at_all_of_it_chooses_the_right_one_and_the_card_says_why(replayed):
    found = replayed[0]
    right = {name: name in (BEST, "attempt-4") for name in found.applies}
    assert oracle(right)(found).chosen in (BEST, "attempt-4")
    chosen = {name: strategy(name)(found).chosen for name in STRATEGIES}
    looking = ("winnow", "codemonkeys", "votes", "hybrid", "tournament", "judge", "trae", "agentless")
    assert {name: right[chosen[name]] for name in looking} == dict.fromkeys(looking, True)
    text = card_text(card_of(found, with_confidence(strategy("winnow")(found), found)))
    assert "resolves 12 of 12" in text and "judge: P(right)" in text
    assert "the model sees no behaviour that tells attempt-1 and attempt-4 apart" in text
    assert "attempt-3, attempt-4, attempt-5" in text  # whose trajectories are not known
    assert max(map(len, text.splitlines()[3:14])) <= 120
