"""What is measured: each module takes samples of any arm by the arm's protocol, and says its figures and goals."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

NAMES = ("start", "exec", "write", "copy", "matrix", "density")


def measure(name: str) -> ModuleType:
    """A measure's module: FIGURES, GOALS, ROUNDS (at most), and `sample(arm, ground)`."""
    return import_module(f".{name}", __name__)
