"""Whether more attempts would change the answer: pure rules, of what was weighed so far and of how long attempts took.

Sources: the Beta rule of Aggarwal et al., "Let's Sample Step by Step: Adaptive-Consistency" (2023), for agreement; the
law of coverage, exp(a k^b), of Brown et al., "Large Language Monkeys" (2024), for what further attempts may bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb, exp
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..candidate import Candidate, Ending
from .means import Weighed

Why = Literal["agreement", "little to gain", "nothing changes", "budget", "most", "open"]
"""What ended it; "open": nothing did, more attempts are made."""

_SAME = 0.01
"""A difference in how sure the best is that counts as none."""
_FINISHED = 2
"""Finished attempts from which it is said how long one takes."""


class AutoSettings(BaseModel):
    """How many attempts an issue gets where `attempts = "auto"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    least: int = Field(default=3, ge=1)
    """Attempts of the first wave, before anything is weighed."""

    most: int = Field(default=10, ge=1)
    """Attempts at most. CodeMonkeys: 10."""

    wave: int = Field(default=2, ge=1)
    """Attempts of each further wave, made side by side. Smaller ones save attempts, larger ones time."""

    sure: float = Field(default=0.95, ge=0.5, lt=1)
    """It ends where the best answer stays the most frequent one with this probability. Adaptive-consistency: 0.95."""

    gain: float = Field(default=0.003, ge=0, lt=1)
    """It ends where a further attempt is expected to add less than this to the probability of a right answer; 0: never
    for that. The default kept all but about a point of what ten attempts resolve, on streams of stored outcomes
    (bench/adaptive.py)."""

    law: tuple[float, float] = (-1.839, -0.209)
    """a and b of the coverage law exp(a k^b). Here through the two points that "Large Language Monkeys" gives for
    SWE-bench Lite, 15.9 % with one attempt and 56 % with 250; `winnow report` fits those of your own runs."""

    patience: int | None = Field(default=None, ge=1)
    """It ends after so many waves in a row that left the best answer, and how sure it is, as they were; None: never for
    that."""

    longer: float | None = Field(default=3.0, gt=1)
    """An attempt of a later wave is given up at this many times the model calls that finished ones took (median);
    None: none is. Shorter traces are more often right (First Finish Search)."""

    spared: int = Field(default=8, ge=1)
    """Model calls that every attempt may make before it is given up."""

    @model_validator(mode="after")
    def _ordered(self) -> AutoSettings:
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) must not be more than most ({self.most})")
        a, b = self.law
        if not (a < 0 and b < 0):
            raise ValueError("a and b of the law must both be below 0")
        return self


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to stop after a wave. agreed: how likely the best answer stays the most frequent, None without one worth
    choosing. gain: what one further attempt is expected to add to the probability of a right answer."""

    stop: bool
    why: Why
    agreed: float | None
    gain: float


def verdict(waves: Sequence[Weighed], settings: AutoSettings) -> Verdict:
    """What the weighings so far, the last of them at the end, say of going on."""
    now = waves[-1]
    made = len(now.order)
    first, second = sizes(now)
    agreed = agreement(first, second) if first else None
    more = max(1, min(settings.wave, settings.most - made))
    gain = expected_gain(made, more, now.sure or 0.0, settings.law) / more
    why: Why = "open"
    if agreed is not None and agreed >= settings.sure:
        why = "agreement"
    elif gain < settings.gain:
        why = "little to gain"
    elif settings.patience is not None and _unchanged(waves, settings.patience):
        why = "nothing changes"
    return Verdict(why != "open", why, agreed, gain)


def sizes(weighed: Weighed) -> tuple[int, int]:
    """How many candidates worth choosing gave the best answer, and how many the most frequent other one."""
    best = _best(weighed)
    counts = [len(set(answer) & set(weighed.worth)) for answer in weighed.answers if answer != best]
    return len(set(best) & set(weighed.worth)), max(counts, default=0)


def agreement(first: int, second: int) -> float:
    """How likely an answer given `first` times is really more frequent than the next, given `second` times.

    The mass above 1/2 of Beta(first + 1, second + 1), which for whole numbers is a sum of binomials (Aggarwal et al.
    2023, the Beta stopping rule).
    """
    trials = first + second + 1
    return sum(comb(trials, i) for i in range(first + 1)) / 2**trials


def coverage(attempts: int, law: tuple[float, float]) -> float:
    """The share of issues that any of so many attempts solves, by the law exp(a k^b) (Brown et al. 2024)."""
    a, b = law
    return exp(a * attempts**b)


def expected_gain(made: int, more: int, sure: float, law: tuple[float, float]) -> float:
    """How much `more` attempts add to the probability that a right one is among them and is the answer, at most.

    sure: how likely the best is right as it is. Where it is not, the issue counts as unsolved by the `made` ones, and
    the law says how many of such issues the further ones solve: (c(n+m) - c(n)) / (1 - c(n)).
    """
    now, then = coverage(made, law), coverage(made + more, law)
    return (1 - sure) * (then - now) / (1 - now) if now < 1 else 0.0


def most_calls(before: Sequence[Candidate], settings: AutoSettings) -> int | None:
    """Model calls after which an attempt is given up, by what those `before` it took; None: no such limit."""
    calls = [candidate.calls for candidate in before if candidate.ending is Ending.FINISHED]
    if settings.longer is None or len(calls) < _FINISHED:
        return None
    return max(settings.spared, ceil(settings.longer * median(calls)))


def _best(weighed: Weighed) -> tuple[str, ...]:
    """The answer that the first in order gave, () where that one is not worth choosing."""
    if not weighed.worth or weighed.order[0] not in weighed.worth:
        return ()
    first = weighed.order[0]
    return next((answer for answer in weighed.answers if first in answer), (first,))


def _unchanged(waves: Sequence[Weighed], patience: int) -> bool:
    """Whether the last `patience` waves left the best answer and how sure it is as they were."""
    last = waves[-(patience + 1) :]
    best = _best(waves[-1])
    if len(last) <= patience or not best:
        return False
    return all(
        _best(wave) and wave.order[0] in best and abs((wave.sure or 0) - (last[0].sure or 0)) < _SAME
        for wave in last
    )
