"""Steps of attempts that came to nothing, which were right all the same: execution says so, no model does.

A test that an attempt wrote and approved is right where it fails on the unfixed code and passes on a right patch; a
localisation where it names the files that a right patch changes. A whole attempt's grade says nothing of such parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent import Block, Form, ReplyError, Script, parse_script, read_blocks
from selection import UNFIXED, Evidence
from store import Store

from .export_candidates import patches_of
from .export_conversations import Conversation, conversations
from .figures_gather import Attempt, Facts, Issue
from .stored import evidence_from_json

_TESTS = {"TEST": Form(), "DONE": Form(body=False)}
_PLACES = {"RELEVANT": Form(), "NOT RELEVANT": Form(body=False), "RANKING": Form(), "FILES": Form()}
_FILE = re.compile(r'^diff --git "?a/.* "?b/(.+?)"?$', re.MULTILINE)
_FIRST = 3
"""Places of a ranking in which the files of a right patch must stand, where there are no more of them."""


@dataclass(frozen=True, slots=True)
class RightStep:
    """A conversation, or a single question, that was right. reason: a sentence that says by what."""

    attempt: str
    conversation: Conversation
    reason: str


def right_steps(
    store: Store, facts: Facts, issue: Issue, right: Attempt, why: str, without: frozenset[str]
) -> Iterator[RightStep]:
    """The right steps of an issue. right: an attempt whose patch is taken for right, why: "which resolves the issue".

    without: attempts that are no use here, since they are taken whole.
    """
    run, patch = facts.row.run, patches_of(store, facts.row.run, issue.task).get(right.name, "")
    files = set(_FILE.findall(patch))
    if files:
        yield from _localisations(store, run, issue.task, files, f"{right.name}, {why}")
    evidence = _evidence(store, run, issue.task)
    if evidence is None:
        return
    for attempt in issue.attempts:
        if attempt.name in without or not attempt.is_result:
            continue
        for talk in conversations(store, run, issue.task, attempt.name):
            script = _approved(talk)
            if script is not None and _is_right(evidence, script, right.name):
                reason = f"its test fails on the unfixed code and passes on {right.name}, {why}"
                yield RightStep(attempt.name, talk, reason)


def _evidence(store: Store, run: str, task: str) -> Evidence | None:
    rows = [row for row in store.results(run, task, "evidence") if row.name == "all"]
    return evidence_from_json(rows[-1].body) if rows else None


def _approved(talk: Conversation) -> Script | None:
    """The test that a conversation of the testing machine ends with, where the model approved it."""
    if talk.branch != "testing":
        return None
    said = [
        _blocks(message["content"], _TESTS) for message in talk.messages if message["role"] == "assistant"
    ]
    if not said or [block.name for block in said[-1]] != ["DONE"]:
        return None
    for blocks in reversed(said):
        if [block.name for block in blocks] == ["TEST"]:
            try:
                return parse_script(blocks[0])
            except ReplyError:
                return None
    return None


def _is_right(evidence: Evidence, script: Script, right: str) -> bool:
    test = next((test for test in evidence.tests if test.script == script), None)
    if test is None:
        return False
    before, after = evidence.cells.get((UNFIXED, test.id)), evidence.cells.get((right, test.id))
    return before is not None and before.shows_issue and after is not None and after.shows_solved


def _localisations(store: Store, run: str, task: str, files: set[str], right: str) -> Iterator[RightStep]:
    for row in store.trajectories(run, task):
        if row.trajectory != "context" and not row.trajectory.startswith("think-"):
            continue
        for talk in conversations(store, run, task, row.trajectory):
            if reason := _finds(talk, files):
                yield RightStep(row.trajectory, talk, f"{reason} {right}")


def _finds(talk: Conversation, files: set[str]) -> str:
    """The beginning of a sentence on what a reply found, "" where it found nothing, or not enough."""
    for block in _blocks(talk.messages[-1]["content"], _PLACES):
        named = [line.strip().strip("`'\" ") for line in block.lines]
        if block.name == "RELEVANT" and (path := talk.branch.removeprefix("relevance/")) in files:
            return f"it calls {path} relevant, which is changed by"
        if block.name == "RANKING" and files <= set(named[: max(_FIRST, len(files))]):
            return "its first files are those that are changed by"
        if block.name == "FILES" and files <= set(named):
            return "it names the files that are changed by"
    return ""


def _blocks(reply: str, forms: dict[str, Form]) -> tuple[Block, ...]:
    try:
        return read_blocks(reply, forms)
    except ReplyError:
        return ()
