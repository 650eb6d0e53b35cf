"""What can be set about weighing candidates. Defaults are CodeMonkeys' figures where it gives one."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent import AttemptSettings

Isolation = Literal["auto", "fresh"]


class SelectionSettings(BaseModel):
    """How evidence on candidates is gathered, and by which strategy one of them is chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    strategy: Literal["codemonkeys", "most-votes"] = "codemonkeys"
    """From evidence to a ranking: votes and then the selection machine, or votes alone."""

    keep: int = Field(default=3, ge=1, le=26)
    """Candidates that the selection machine is shown at most: the most voted."""

    machine: Literal["full", "once", "off"] = "full"
    """full: it may write and run tests; once: one call that only compares the patches; off: no model is asked."""

    calls: int = Field(default=10, ge=1)
    """Model calls of the selection machine at most."""

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

    isolation: Isolation = "auto"
    """auto: a fresh copy for each run of a generated test where copies cost milliseconds (overlay); where each is a
    container (docker), one for each candidate, brought back to its files between tests, which is weaker and reported.
    fresh: always a fresh copy."""

    parallel: int | None = Field(default=None, ge=1)
    """Executions at once; None: as many as there are processors."""

    def for_conversation(self) -> AttemptSettings:
        """The settings of the machine's conversation, and of how it is shown runs."""
        return AttemptSettings(
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            script_timeout=self.script_timeout,
            output_chars=self.output_chars,
            diff_chars=self.diff_chars,
            issue_chars=self.issue_chars,
            context_window=self.context_window,
        )
