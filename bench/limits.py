"""How long a run may take, and each step of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

QUICK_BUDGET = 240.0
"""Seconds that a quick run may take in all. `make bench BENCH=--quick` has to end within five minutes on two slow
cores, and make needs up to a minute before, to start Docker's engine."""

STOP = 10.0
"""Seconds that the arms get together to end by themselves. Idle ones take a second or two; what one that is killed
leaves is removed after it."""

KILL = 5.0
"""Seconds that killed processes get to disappear."""

CLEANUP = 20.0
"""Seconds for the removal of what killed arms left: containers, layers, control groups."""

ENDING = STOP + KILL + CLEANUP + 5.0
"""Seconds that the end of a quick run can take, the removal of its folder of a thousand files included."""

LEFT_OUT = "left out: no time left"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. budget: for the whole run, of which ENDING is kept for its end. images: for the making of the images.
    answer: for one answer of an arm, that is for its start or for one round of a measure."""

    budget: float
    images: float
    answer: float


FULL = Limits(budget=math.inf, images=math.inf, answer=400.0)
"""The slowest measure takes a fifth of 400 s, and some peers wait for ever for a lost reply."""

QUICK = Limits(budget=QUICK_BUDGET, images=QUICK_BUDGET / 3, answer=30.0)
"""A third for the images, so that there is time for the arms that need none. A round takes seconds at most."""


class Deadline:
    """The moment after which nothing more is measured."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def passed(self) -> bool:
        return self.remaining() == 0.0
