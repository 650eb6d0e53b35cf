"""What is known of the candidates, and what a strategy makes of it. Plain data: a strategy is pure (DESIGN, idea 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agent import Candidate, Run, Script

UNFIXED = "unfixed"
"""The name of the original code in a matrix: every test runs on it too."""


@dataclass(frozen=True, slots=True)
class Test:
    """A generated test: id ("test-2", after the attempt that wrote it first) and the script."""

    __test__ = False  # pytest takes every imported name that starts with Test for tests of its own

    id: str
    script: Script


@dataclass(frozen=True, slots=True)
class Regression:
    """What existing tests said of one candidate, against the unfixed code.

    broken: names that passed on the unfixed code and do not pass any more; passed: how many still pass;
    known: how many passed on the unfixed code. error: why there is nothing to compare ("" where there is).
    touched: those of broken whose file the candidate itself changes or deletes (they count all the same).
    """

    broken: tuple[str, ...] = ()
    passed: int = 0
    known: int = 0
    error: str = ""
    touched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineChoice:
    """The selection machine's word: the winner's id or None, why in the model's words, and the ids it was shown."""

    winner: str | None
    reason: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was gathered on one task's candidates.

    applies: by candidate id. cells: run of a test on a candidate or on UNFIXED, keyed (candidate id or UNFIXED,
    test id). A missing key is missing evidence and never ranks a candidate up.
    """

    candidates: tuple[Candidate, ...]
    tests: tuple[Test, ...] = ()
    applies: Mapping[str, bool] = field(default_factory=dict)
    cells: Mapping[tuple[str, str], Run] = field(default_factory=dict)
    regressions: Mapping[str, Regression] = field(default_factory=dict)
    machine: MachineChoice | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate's place: its votes and the reasons for its place, a short phrase each."""

    candidate: str
    votes: int
    worth: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """A strategy's answer: candidates best first; chosen is None where none is worth choosing, and `why` says so."""

    order: tuple[Ranked, ...]
    chosen: str | None
    why: str


class Strategy(Protocol):
    """From evidence to a ranking, with no model call, execution, clock or chance. Winnow's third protocol."""

    def __call__(self, evidence: Evidence) -> Ranking: ...
