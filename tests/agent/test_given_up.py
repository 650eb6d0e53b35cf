"""Attempts that are ended early, by a stated rule, keep what they have and say that they were given up."""

from __future__ import annotations

import pytest
from waiting import PATIENCE

from agent import AttemptSettings, Context, ContextFile, Ending, attempt
from agent.ways.adaptive import _UpTo

FILES = {"price.txt": "wrong\n"}
CONTEXT = Context((ContextFile("price.txt", "wrong\n"),))
SHOWS = "<<<<< TEST\n#!/bin/sh\ngrep -q '^right$' price.txt && exit 0\nexit 2\n>>>>> END\n"
PASSES = "<<<<< TEST\n#!/bin/sh\nexit 0\n>>>>> END\n"
EDIT = "<<<<< EDIT price.txt\n===== FIND\nwrong\n===== REPLACE\nright\n>>>>> END\n"
DONE = "<<<<< DONE"


@pytest.fixture
def make(scripted, make_task, make_base):
    task = make_task(FILES)
    base = make_base(task)

    async def making(said, calls=99, **settings):
        model = scripted(said)
        its = AttemptSettings(script_timeout=PATIENCE, **settings)
        candidate = await attempt(_UpTo(model, calls), base, task, CONTEXT, its, "attempt-1")
        return candidate, model

    return making


async def test_a_test_that_never_shows_the_issue_ends_an_attempt_only_where_it_is_needed(make):
    said = {"testing": [PASSES, DONE, DONE], "editing": [EDIT, DONE]}
    candidate, model = await make(said, needs_test=True)
    assert (candidate.ending, candidate.calls, candidate.patch) == (Ending.GIVEN_UP, 3, "")
    assert not model.at("editing") and candidate.test is not None and "does not show" in candidate.detail
    assert candidate.ending.is_result  # its own doing: a resumed run does not try it again


async def test_otherwise_it_goes_on_without_one(make):
    candidate, _ = await make({"testing": [PASSES, DONE, DONE], "editing": [EDIT, DONE]})
    assert candidate.ending is Ending.FINISHED and "+right" in candidate.patch


async def test_one_whose_test_shows_it_is_not_given_up(make):
    candidate, _ = await make({"testing": [SHOWS, DONE], "editing": [EDIT, DONE]}, needs_test=True)
    assert candidate.ending is Ending.FINISHED and "+right" in candidate.patch


async def test_one_that_is_far_longer_than_others_keeps_the_edit_that_it_has(make):
    candidate, model = await make({"testing": [SHOWS, DONE], "editing": [EDIT, DONE]}, calls=3)
    assert (candidate.ending, candidate.calls) == (Ending.GIVEN_UP, 3)
    assert (
        "+right" in candidate.patch and len(model.at("editing")) == 1 and "3 model calls" in candidate.detail
    )


async def test_one_that_is_given_up_before_its_edits_asks_for_none(make):
    candidate, model = await make({"testing": [SHOWS, DONE], "editing": [EDIT, DONE]}, calls=1)
    assert (candidate.ending, candidate.patch) == (Ending.GIVEN_UP, "") and not model.at("editing")
