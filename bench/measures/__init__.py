"""What is measured: each module takes samples of any arm by the arm's protocol, and names its figures and goals."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

NAMES = ("start", "exec", "write", "copy", "matrix", "density")


def measure(name: str) -> ModuleType:
    """A measure's module: FIGURES, GOALS, ROUNDS (at most), `sample(arm, workload)`, and
    `prepare(arm, workload)` where something is made beforehand."""
    return import_module(f".{name}", __name__)
