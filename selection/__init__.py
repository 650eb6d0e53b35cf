"""How candidates are weighed: evidence first (a test matrix, existing tests, a selection machine), then a ranking.

May import agent, environments, sandbox and models. Hands on `Evidence`, what gathers it, and strategies: pure
functions from evidence to a `Ranking`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "applying": "check_applies",
    "card": "Card card_of card_text",
    "calls": "selection_calls",
    "confidence": "Reliability Weighed reliability sure_of weigh with_confidence",
    "clusters": "behaviour_clusters cluster_of same_program",
    "evidence": "CaseOutcome Cases Effort Evidence Existing Judgement MachineChoice Match PatchFacts Ranked Ranking "
    "Regression Reproduction Signals Strategy Summary Test UNFIXED EXISTING FACTS GENERATED JUDGE KINDS MACHINE "
    "MATCHES REPRODUCTION SIGNALS",
    "explain": "why_chosen",
    "facts": "patch_facts",
    "features": "FEATURES Feature features_of not_failing",
    "feedback": "feedback_on shown_summary",
    "gather": "gather_evidence generated_tests",
    "known": "FORGOTTEN forgetting still_true",
    "machine": "judge_once select",
    "matrix": "run_matrix",
    "regression": "run_regressions",
    "settings": "SelectionSettings",
    "strategies": "ALIASES BOUNDS STRATEGIES USES codemonkeys most_votes open_pairs oracle strategy top_shortlist "
    "winnow_with",
    "test_quality": "Quality qualities",
    "trajectory": "Trajectory Turn signals_of trajectory_of",
    "votes": "counting distinct votes_of",
    "weights": "DEFAULT Weight Weights WrongWeights read_weights write_weights",
    "worth_choosing": "worth",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    """Names come when they are asked for, so that the door opens at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
