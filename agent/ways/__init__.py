"""Ways to spend compute on one issue: each an async function from `Means` to candidates, in a file of its own."""

from __future__ import annotations

from .means import Means, Weighed, Work

__all__ = ["Means", "Weighed", "Work"]
