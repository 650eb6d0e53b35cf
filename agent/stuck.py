"""Whether an attempt goes round in circles: pure functions of what it did and saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LONGEST_CYCLE = 3
"""Steps of a circle that is recognised: the same step again and again, or two or three in turn."""


def circle(steps: Sequence[str], repeats: int) -> int:
    """How many steps the circle has that the last steps went round `repeats` times; 0: none.

    steps: each as one text of the calls and what came of them.
    """
    for size in range(1, LONGEST_CYCLE + 1):
        last = list(steps[-size * repeats :])
        if len(last) == size * repeats and last == last[:size] * repeats:
            return size
    return 0


def undone(
    before: Mapping[tuple[str, bytes], int], now: Mapping[tuple[str, bytes], int], repeats: int
) -> str:
    """The file that edits brought back to the very same content for the `repeats`-th time in this step; "" for none."""
    return next((key[0] for key, count in now.items() if count >= repeats and count > before.get(key, 0)), "")
