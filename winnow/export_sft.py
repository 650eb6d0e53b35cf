"""Trajectories as chat messages for fine-tuning: rejection sampling by grade or by selection, without doubles."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from store import Store

from .export_conversations import Conversation, conversations
from .export_errors import CannotExport
from .export_places import write_lines
from .export_secrets import Scrubber
from .figures_gather import Attempt, Facts, Issue

Only = Literal["resolved", "chosen", "all"]


def write_sft(
    out: Path, store: Store, facts: Facts, only: Only, scrubber: Scrubber
) -> tuple[int, Counter[str]]:
    """Write a JSON line {"messages": [...], ...} for each conversation; how many, and what was left out and why.

    only: "resolved": of attempts whose patch resolves the issue, without their changes to test machinery too, and which
    the audit has nothing against; "chosen": of the chosen attempts; "all": of all that ended by their own doing.
    Raises CannotExport where `only` needs what the run does not have.
    """
    _check(facts, only)
    left_out: Counter[str] = Counter()
    return write_lines(out, _lines(store, facts, only, scrubber, left_out)), left_out


def _lines(
    store: Store, facts: Facts, only: Only, scrubber: Scrubber, left_out: Counter[str]
) -> Iterator[str]:
    seen: set[bytes] = set()
    for issue in facts.issues:
        for attempt in issue.attempts:
            if not attempt.is_result or not _wanted(facts, issue, attempt, only, left_out):
                continue
            for each in conversations(store, facts.row.run, issue.task, attempt.name):
                if not _new(each, seen):
                    left_out["conversations that are there already"] += 1
                    continue
                yield scrubber.clean(json.dumps(_row(facts, issue, attempt, each))) + "\n"


def _wanted(facts: Facts, issue: Issue, attempt: Attempt, only: Only, left_out: Counter[str]) -> bool:
    if only == "all":
        return True
    if only == "chosen":
        return issue.chosen.get(facts.strategy) == attempt.name
    if attempt.resolved and not attempt.strict:
        left_out["attempts that resolve the issue only by changes to test machinery"] += 1
    elif attempt.resolved and attempt.flags:
        left_out["attempts that resolve the issue but have an audit flag"] += 1
    return attempt.resolved and attempt.strict and not attempt.flags


def _new(each: Conversation, seen: set[bytes]) -> bool:
    said = json.dumps(each.messages, sort_keys=True).encode()
    digest = hashlib.sha256(said).digest()
    if digest in seen:
        return False
    seen.add(digest)
    return True


def _row(facts: Facts, issue: Issue, attempt: Attempt, each: Conversation) -> dict[str, object]:
    """messages first: what trainers read. The rest says where it comes from."""
    return {
        "messages": list(each.messages),
        "instance_id": issue.task,
        "candidate": attempt.name,
        "part": each.branch,
        "model": facts.model,
        "run": facts.row.run,
        "ending": attempt.ending,
        "resolved": attempt.resolved if attempt.verdict else None,
        "chosen": issue.chosen.get(facts.strategy) == attempt.name,
    }


def _check(facts: Facts, only: Only) -> None:
    run = facts.row.run
    if facts.row.kind == "import":
        raise CannotExport(f"run {run} is an import: it has patches, but no trajectories")
    if only == "resolved" and not facts.graded:
        raise CannotExport(
            f"run {run} is not graded, so nobody knows what is resolved: `winnow grade {run} --dataset D`, or say "
            "--only chosen or --only all"
        )
    if only == "chosen" and not facts.strategy:
        raise CannotExport(f"run {run} has chosen nothing yet: say --only all, or resume it")
