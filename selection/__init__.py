"""How candidates are weighed: evidence first (a test matrix, existing tests, a selection machine), then a ranking.

May import agent, environments, sandbox and models. Hands on `Evidence`, what gathers it, and strategies: pure
functions from evidence to a `Ranking`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "applying": "check_applies",
    "clusters": "behaviour_clusters cluster_of same_program",
    "evidence": "CaseOutcome Cases Effort Evidence Existing Judgement MachineChoice Match PatchFacts Ranked Ranking "
    "Regression Reproduction Signals Strategy Summary Test UNFIXED",
    "explain": "why_chosen",
    "facts": "patch_facts",
    "gather": "gather_evidence generated_tests",
    "machine": "judge_once select",
    "matrix": "run_matrix",
    "regression": "run_regressions",
    "settings": "SelectionSettings",
    "strategies": "STRATEGIES codemonkeys most_votes strategy top_shortlist",
    "test_quality": "Quality qualities",
    "votes": "counting distinct votes_of",
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
