"""What is known of the candidates, and what a strategy makes of it. Plain data: a strategy is pure (DESIGN, idea 3).

Everything is keyed by candidate and test, never by order of arrival, and everything may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent import Candidate, Run, Script

UNFIXED = "unfixed"
"""The name of the original code in a matrix: every test runs on it too."""

GENERATED, EXISTING, REPRODUCTION = "generated tests", "existing tests", "reproduction cases"
JUDGE, MATCHES, MACHINE = "judge", "matches", "selection machine"
SIGNALS, FACTS = "trajectory signals", "patch facts"
KINDS = (GENERATED, EXISTING, REPRODUCTION, JUDGE, MATCHES, MACHINE, SIGNALS, FACTS)
"""The kinds of evidence, by the names that `Evidence.gaps` and `Evidence.effort` use."""


@dataclass(frozen=True, slots=True)
class Test:
    """A generated test: id ("test-2", after the attempt that wrote it first) and the script.

    origin: "attempt", or "distinguishing" where it was written to tell candidates that were shown apart.
    """

    __test__ = False  # pytest takes every imported name that starts with Test for tests of its own

    id: str
    script: Script
    origin: str = "attempt"


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
class Existing:
    """What the repository's own tests said, test by test; `Regression` is the count of it for one candidate.

    found: how the tests were found, a sentence. files: those that were run, () where it was the whole suite. unfixed:
    outcome on the unfixed code by test name ("passed", "failed", ...). flaky: names whose runs on the unfixed code
    differ; they count for nothing. differs: by candidate, the outcomes that are not the unfixed code's, "missing" for a
    test that was not reached; a candidate that is not in it was not run. (A suite has thousands of tests, of which a
    candidate changes a few: so the table stays small.)
    """

    found: str = ""
    files: tuple[str, ...] = ()
    unfixed: Mapping[str, str] = field(default_factory=dict)
    flaky: tuple[str, ...] = ()
    differs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def outcome(self, candidate: str, test: str) -> str | None:
        """What this test said of this candidate; None where it was not run on it."""
        if candidate not in self.differs or test not in self.unfixed:
            return None
        return self.differs[candidate].get(test, self.unfixed[test])


CaseOutcome = Literal["reproduced", "resolved", "other"]


@dataclass(frozen=True, slots=True)
class Cases:
    """One run of a file of reproduction cases: outcome by the case's name, or why it gave none.

    Source: R2E-Gym's testing agent, whose cases print one of these three outcomes each.
    """

    outcomes: Mapping[str, CaseOutcome] = field(default_factory=dict)
    error: str = ""

    def count(self, outcome: CaseOutcome) -> int:
        return sum(seen == outcome for seen in self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A generated file of reproduction cases and what it said. runs: by candidate id, and by UNFIXED."""

    id: str
    script: Script
    runs: Mapping[str, Cases] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's word on one candidate, nothing being run: P(YES) between 0 and 1.

    how: from the log-probabilities of YES and NO, or the share of YES in `samples` answers.
    """

    yes: float
    how: Literal["log-probabilities", "samples"]
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Match:
    """Two candidates compared once. first, second: as they were shown. winner: one of them, None for a tie.

    repeat: which of the repeated comparisons of this pair it is, from 1.
    """

    first: str
    second: str
    winner: str | None
    repeat: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an attempt came to, for comparing: the cause that it supposed, what it did, what is unsure, its patch.

    Source: arXiv 2604.16529, whose rollouts are compressed to hypotheses, progress, failure modes and the patch.
    """

    hypothesis: str = ""
    progress: str = ""
    failures: str = ""
    patch: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """What a trajectory shows of itself. steps: model calls made. doubt: its own words of doubt, "" without any.

    ending: an `agent.Ending`. flags: what the audit found in it.
    """

    ending: str
    steps: int = 0
    doubt: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchFacts:
    """What a patch is, without running it.

    added, removed: lines. files: changed paths. tests: those of them that are test files. normal: digest of what it
    makes of the files without comments, docstrings and layout ("" where it does not apply): the same for patches that
    are the same program.
    """

    added: int = 0
    removed: int = 0
    files: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    normal: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """What gathering one kind of evidence took: model calls, executions, tokens, USD.

    No times (the journal has them): evidence is the same however often a run was killed.
    """

    calls: int = 0
    executions: int = 0
    tokens: int = 0
    cost: float = 0.0


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
    test id); repeats: further runs of the same cell. regressions, existing: the repository's own tests. machine: the
    selection machine's word; selectors: further runs of it, in the order of their numbers. judgements, summaries,
    signals, facts: by candidate id. alike: groups of ids between which a model that was asked for a distinguishing test
    saw no difference. gaps: why a kind of evidence is missing, by its name in KINDS; effort: what it
    took, by the same names. A missing key is missing evidence and never ranks a candidate up.
    """

    candidates: tuple[Candidate, ...]
    tests: tuple[Test, ...] = ()
    applies: Mapping[str, bool] = field(default_factory=dict)
    cells: Mapping[tuple[str, str], Run] = field(default_factory=dict)
    regressions: Mapping[str, Regression] = field(default_factory=dict)
    machine: MachineChoice | None = None
    repeats: Mapping[tuple[str, str], tuple[Run, ...]] = field(default_factory=dict)
    existing: Existing | None = None
    reproductions: tuple[Reproduction, ...] = ()
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    selectors: tuple[MachineChoice, ...] = ()
    signals: Mapping[str, Signals] = field(default_factory=dict)
    facts: Mapping[str, PatchFacts] = field(default_factory=dict)
    alike: tuple[tuple[str, ...], ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)
    effort: Mapping[str, Effort] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate's place: its votes and the reasons for its place, a short phrase each."""

    candidate: str
    votes: int
    worth: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """A strategy's answer: candidates best first; chosen is None where none is worth choosing, and `why` says so.

    missing: evidence that the strategy uses and that is not there, a short phrase each. confidence: the probability
    that the chosen one resolves the issue (`selection.confidence`), None where nobody asked. tied: those that the
    strategy's rule cannot tell from the chosen one, it included, so that the last resort decided among them.
    """

    order: tuple[Ranked, ...]
    chosen: str | None
    why: str
    missing: tuple[str, ...] = ()
    confidence: float | None = None
    tied: tuple[str, ...] = ()


class Strategy(Protocol):
    """From evidence to a ranking, with no model call, execution, clock or chance. Winnow's third protocol."""

    def __call__(self, evidence: Evidence) -> Ranking: ...
