"""Trajectories as chat messages for fine-tuning: rejection sampling by grade or by selection, without doubles.

Of attempts that came to nothing, steps that were right by execution are samples of their own (`export_steps`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from environments import json_text
from store import Store

from .export_card import FILE, Tally, card
from .export_chat import chat, protocol
from .export_conversations import Conversation, conversations
from .export_errors import CannotExport
from .export_places import new_folder, write_lines, write_shown
from .export_secrets import Scrubber
from .export_steps import right_steps
from .figures_gather import Attempt, Facts, Issue

Only = Literal["resolved", "chosen", "all"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which samples are taken. only: "resolved": of attempts whose patch resolves the issue, without their changes to
    test machinery too, and which the audit has nothing against; "chosen": of the chosen attempts that are right with a
    probability of `least` or more, by the selection's own account; "all": of all that ended by their own doing.
    steps: also steps of other attempts that were right by execution (not with "all", which has them all).
    """

    only: Only = "resolved"
    least: float = 0.0
    steps: bool = True

    def __str__(self) -> str:
        said = {
            "resolved": "attempts whose patch resolves the issue by grade, strictly, without an audit flag",
            "chosen": "attempts that the selection chose"
            + (f" with a confidence of at least {self.least:g}" if self.least else ""),
            "all": "attempts that ended by their own doing, right or wrong",
        }[self.only]
        return said + ("; single steps of others that execution shows to be right" if self._steps else "")

    @property
    def _steps(self) -> bool:
        return self.steps and self.only != "all"


def write_sft(
    out: Path, store: Store, facts: Facts, rule: Rule, scrubber: Scrubber
) -> tuple[int, Counter[str]]:
    """Write a JSON line {"messages": [...], ...} for each sample; how many, and what was left out and why.

    out: a file, where its name ends in .jsonl; else a new or empty folder, which gets a card beside the data.
    Raises CannotExport where `rule` needs what the run does not have.
    """
    _check(facts, rule)
    work = _Work(store, facts, rule, scrubber)
    if out.suffix == ".jsonl":
        return write_lines(out, work.lines()), work.tally.left_out
    with new_folder(out) as folder:
        count = write_lines(folder / FILE, work.lines())
        text = card(folder / FILE, facts, work.tally, str(rule))
        write_shown(folder / "README.md", scrubber.clean(text))
    return count, work.tally.left_out


@dataclass(slots=True)
class _Work:
    store: Store
    facts: Facts
    rule: Rule
    scrubber: Scrubber
    tally: Tally = field(default_factory=Tally)
    _seen: set[bytes] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """The samples, issue by issue."""
        for issue in self.facts.issues:
            for row in self._rows(issue):
                said = json.dumps([row["messages"], row.get("tools")], sort_keys=True)
                if (digest := hashlib.sha256(said.encode()).digest()) in self._seen:
                    self.tally.left_out["conversations that are there already"] += 1
                    continue
                self._seen.add(digest)
                messages: Any = row["messages"]
                self.tally.add(row, len(messages), len(said))
                yield self.scrubber.clean(json_text(row)) + "\n"

    def _rows(self, issue: Issue) -> Iterator[dict[str, Any]]:
        whole = {
            attempt.name: reason
            for attempt in issue.attempts
            if attempt.is_result and (reason := self._reason(issue, attempt))
        }
        for attempt in issue.attempts:
            if attempt.name in whole:
                for each in conversations(self.store, self.facts.row.run, issue.task, attempt.name):
                    yield self._row(issue, attempt.name, each, "an attempt", whole[attempt.name])
        right = next(
            (attempt for attempt in issue.attempts if attempt.name in whole and not attempt.empty), None
        )
        if right is not None and self.rule._steps:
            taken = frozenset(whole)
            for step in right_steps(
                self.store, self.facts, issue, right, f"which {whole[right.name]}", taken
            ):
                yield self._row(issue, step.attempt, step.conversation, "a step", step.reason)

    def _reason(self, issue: Issue, attempt: Attempt) -> str:
        """Why the whole attempt is taken, "" where it is not."""
        left_out, strategy = self.tally.left_out, self.facts.strategy
        if self.rule.only == "all":
            return "ended by its own doing"
        if self.rule.only == "chosen":
            sure = issue.sure.get(strategy)
            if issue.chosen.get(strategy) != attempt.name:
                return ""
            if self.rule.least and (sure is None or sure < self.rule.least):
                left_out["attempts that were chosen with less confidence"] += 1
                return ""
            return f"was chosen by {strategy}" + (
                f" with a confidence of {sure:.2f}" if sure is not None else ""
            )
        if attempt.resolved and not attempt.strict:
            left_out["attempts that resolve the issue only by changes to test machinery"] += 1
        elif attempt.resolved and attempt.flags:
            left_out["attempts that resolve the issue but have an audit flag"] += 1
        return "resolves the issue" if attempt.resolved and attempt.strict and not attempt.flags else ""

    def _row(
        self, issue: Issue, trajectory: str, each: Conversation, kind: str, reason: str
    ) -> dict[str, Any]:
        """messages first: what trainers read. The rest says where it comes from."""
        attempt = next((attempt for attempt in issue.attempts if attempt.name == trajectory), None)
        messages, tools = chat(each)
        return {
            "messages": messages,
            **({"tools": tools} if tools else {}),
            "instance_id": issue.task,
            "candidate": trajectory,
            "part": each.branch,
            "kind": kind,
            "reason": reason,
            "preset": self.facts.settings.get("preset", ""),
            "protocol": protocol(each),
            "model": (attempt.mind if attempt else "") or self.facts.model,
            "run": self.facts.row.run,
            "ending": attempt.ending if attempt else "",
            "resolved": attempt.resolved if attempt and attempt.verdict else None,
            "chosen": attempt is not None and issue.chosen.get(self.facts.strategy) == attempt.name,
        }


def _check(facts: Facts, rule: Rule) -> None:
    run = facts.row.run
    if facts.row.kind == "import":
        raise CannotExport(f"run {run} is an import: it has patches, but no trajectories")
    if rule.only == "resolved" and not facts.graded:
        raise CannotExport(
            f"run {run} is not graded, so nobody knows what is resolved: `winnow grade {run} --dataset D`, or say "
            "--only chosen or --only all"
        )
    if rule.only == "chosen" and not facts.strategy:
        raise CannotExport(f"run {run} has chosen nothing yet: say --only all, or resume it")
