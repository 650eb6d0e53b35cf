"""What figures need of a store beyond a run's facts: what each trajectory took, contexts, changed files, evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping

from unidiff import PatchSet
from unidiff.errors import UnidiffParseError

from selection import DEFAULT
from store import Store

from ..figures_gather import Facts
from ..figures_summary import Summary
from ..select_compare import compare, strategies_with
from ..select_curves import best_at
from ..select_issues import weighable
from .data import Known, Lost, Took, lost_of

CURVES = ("winnow", "codemonkeys", "hybrid", "votes", "execution", "judge", "random")
"""Strategies whose Best@K curves are drawn: of more lines nobody tells one from the other."""


def known_of(store: Store, facts: Facts, summary: Summary) -> Known:
    """Everything that the figures of a run are made from."""
    took = [
        Took(
            spent.task,
            spent.trajectory,
            spent.asks,
            spent.cost,
            spent.prompt_tokens,
            spent.cached_tokens,
            spent.completion_tokens,
            spent.runs,
        )
        for spent in store.spent(facts.row.run)
    ]
    issues = [issue for issue in weighable(store, facts.row.run) if issue.gathered and issue.grades]
    strategies = strategies_with(DEFAULT)
    return Known(
        facts,
        summary,
        took,
        compare(issues, DEFAULT) if issues else None,
        best_at(issues, {name: strategies[name] for name in CURVES}) if issues else {},
        _lost(store, facts),
    )


def _lost(store: Store, facts: Facts) -> Lost | None:
    right = {
        (issue.task, attempt.name)
        for issue in facts.issues
        for attempt in issue.attempts
        if attempt.counts and attempt.resolved
    }
    contexts: dict[str, frozenset[str]] = {}
    files: dict[tuple[str, str], frozenset[str]] = {}
    for row in store.each_trajectory(facts.row.run):
        if row.trajectory == "context" and row.body:
            contexts[row.task] = frozenset(file["path"] for file in json.loads(row.body).get("files", ()))
        elif (row.task, row.trajectory) in right:
            files[row.task, row.trajectory] = changed_files(json.loads(row.body or "{}"))
    return lost_of(facts.issues, facts.strategy, contexts, files)


def changed_files(candidate: Mapping[str, object]) -> frozenset[str]:
    """Paths that a candidate changes or deletes; those that it makes were not there to be found."""
    try:
        patch = PatchSet(str(candidate.get("patch") or ""))
    except (UnidiffParseError, UnboundLocalError):  # the latter where a target comes without a source
        return frozenset()
    return frozenset(file.path for file in patch if not file.is_added_file)
