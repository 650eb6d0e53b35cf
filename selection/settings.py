"""What can be set about weighing candidates. Defaults are CodeMonkeys' figures where it gives one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent import AttemptSettings

from .evidence import EXISTING, JUDGE, MACHINE, MATCHES, REPRODUCTION, SIGNALS

Isolation = Literal["auto", "fresh"]


class SelectionSettings(BaseModel):
    """How evidence on candidates is gathered, and by which strategy one of them is chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    strategy: str = "codemonkeys"
    """From evidence to a ranking: one of `selection.STRATEGIES`."""

    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Nothing is chosen where the best is less likely right than this (`selection.confidence`); 0: always choose."""

    keep: int = Field(default=3, ge=1, le=26)
    """Candidates that the selection machine is shown at most: the most voted."""

    machine: Literal["full", "once", "off"] = "full"
    """full: it may write and run tests; once: one call that only compares the patches; off: no model is asked."""

    calls: int = Field(default=10, ge=1)
    """Model calls of the selection machine at most."""

    machine_runs: int = Field(default=1, ge=1)
    """Runs of the selection machine at most, whose winners are votes (TRAE); they end once nobody can be outvoted."""

    machine_runs_temperature: float | None = Field(default=0.5, ge=0)
    """Of the second and later runs: at 0 they would say what the first said."""

    temperature: float | None = Field(default=0.0, ge=0)
    """Of those calls; None leaves it to the server."""

    max_tokens: int | None = Field(default=8_192, ge=64)
    """Output tokens of such a call; None leaves it to the server."""

    context_window: int = Field(default=128_000, ge=1_000)
    """Tokens of the machine's conversation at most, the next reply included."""

    issue_chars: int = Field(default=60_000, ge=100)
    """Characters of the issue that the machine is shown; a longer one is cut in the middle."""

    files_chars: int = Field(default=160_000, ge=0)
    """Characters of original files that the machine is shown in all; a file that does not fit is named only."""

    diff_chars: int = Field(default=24_000, ge=200)
    """Characters of each candidate's diff that the machine is shown; more is cut in the middle."""

    output_chars: int = Field(default=8_192, ge=200)
    """Characters of a run's output that the machine is shown; more is cut in the middle."""

    script_timeout: float = Field(default=100.0, gt=0)
    """Seconds that a generated test gets for one run."""

    regressions: bool = True
    """Whether the tests that the repository already has are run."""

    regression_timeout: float | None = Field(default=None, gt=0)
    """Seconds that they get for one run; None: what the task's recipe says."""

    existing: Literal["all", "near", "covering"] = "all"
    """all: the whole test command; near: only the test files near what any candidate touches (by names, imports and
    folders), and everything where none is near; covering: only those that execute it, seen in one run of all tests on
    the unfixed code, which takes somewhat longer than an ordinary one (pytest only; else near)."""

    existing_files: int = Field(default=40, ge=1)
    """Test files that `existing = "near"` or "covering" runs at most, the nearest ones."""

    existing_before: int = Field(default=2, ge=2)
    """Runs of the existing tests on the unfixed code: what differs between them is flaky."""

    repeats: int = Field(default=1, ge=1)
    """Runs of every cell of the test matrix in all; more than one shows which generated tests are not deterministic."""

    extra_tests: int = Field(default=0, ge=0)
    """Model calls at most that ask for further tests where the leading candidates are tied; 0: none is asked for."""

    reproduction_files: int = Field(default=0, ge=0)
    """Files of reproduction cases that are asked for, each in a conversation of its own. 0: none."""

    reproduction_calls: int = Field(default=4, ge=1)
    """Model calls for one such file at most."""

    reproduction_temperature: float | None = Field(default=0.5, ge=0)
    """Of those calls: at 0 several files would be the same."""

    judge: bool = False
    """Whether a model says of each patch how likely it is right, nothing being run: P(YES)."""

    judge_samples: int = Field(default=5, ge=1)
    """Answers from which P(YES) is counted where the server gives no log-probabilities."""

    trajectory_chars: int = Field(default=120_000, ge=1_000)
    """Characters of a trajectory that the judge and summaries are shown; of more the longest observations are cut."""

    tournament: bool = False
    """Whether candidates are compared two by two by their summaries, winners against winners."""

    match_repeats: int = Field(default=1, ge=1)
    """Comparisons of one pair, each made twice: with the sides swapped."""

    match_temperature: float | None = Field(default=0.0, ge=0)
    """Of these comparisons; with more than one for a pair it should be above 0."""

    isolation: Isolation = "auto"
    """auto: a fresh copy for each run of a generated test where copies cost milliseconds (overlay); where each is a
    container (docker), one for each candidate, brought back to its files between tests, which is weaker and reported.
    fresh: always a fresh copy."""

    parallel: int | None = Field(default=None, ge=1)
    """Executions at once; None: as many as there are processors."""

    @field_validator("strategy")
    @classmethod
    def _known(cls, name: str) -> str:
        from .strategies import strategy

        strategy(name)
        return name

    @property
    def asks_machine(self) -> bool:
        """Whether the selection machine is asked: it may be, and the strategy looks at its word."""
        from .strategies import ALIASES, USES

        return self.machine != "off" and MACHINE in USES.get(ALIASES.get(self.strategy, self.strategy), ())

    @property
    def looks_at_trajectories(self) -> bool:
        """Whether any of the evidence, or the strategy, is about how the candidates were made."""
        from .strategies import ALIASES, USES

        return (
            self.judge
            or self.tournament
            or SIGNALS in USES.get(ALIASES.get(self.strategy, self.strategy), ())
        )

    def gathering(self, kinds: Iterable[str]) -> SelectionSettings:
        """These settings with each of these kinds of evidence (selection.KINDS) gathered, as little as makes sense."""
        wanted: dict[str, object] = {}
        for kind in kinds:
            wanted |= _GATHERED_BY.get(kind, lambda settings: {})(self)
        return self.model_copy(update=wanted)

    def for_conversation(self, temperature: float | None) -> AttemptSettings:
        """The settings of a conversation at this temperature, and of how it is shown runs."""
        return AttemptSettings(
            temperature=temperature,
            max_tokens=self.max_tokens,
            script_timeout=self.script_timeout,
            output_chars=self.output_chars,
            diff_chars=self.diff_chars,
            issue_chars=self.issue_chars,
            context_window=self.context_window,
        )


_GATHERED_BY: Mapping[str, Callable[[SelectionSettings], dict[str, object]]] = {
    EXISTING: lambda settings: {"regressions": True},
    REPRODUCTION: lambda settings: {"reproduction_files": max(1, settings.reproduction_files)},
    JUDGE: lambda settings: {"judge": True},
    MATCHES: lambda settings: {"tournament": True},
    MACHINE: lambda settings: {"machine": "full" if settings.machine == "off" else settings.machine},
}
"""What must be set so that a kind of evidence is gathered. The other kinds cost no call and always are."""
