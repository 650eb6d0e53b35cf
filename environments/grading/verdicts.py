"""What grading says of a patch: the words, and the two verdicts that are kept of each (SAFETY 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Word = Literal["resolved", "partially", "not resolved", "broken", "did not apply", "could not be graded"]
"""resolved: every named test passes (of PASS_TO_PASS, one may be skipped, as in the official harness).
partially: some FAIL_TO_PASS tests pass, not all, and PASS_TO_PASS is kept. not resolved: no FAIL_TO_PASS test passes,
PASS_TO_PASS is kept (what unfixed code earns). broken: PASS_TO_PASS is not kept, or the test run did not come to its
end by itself. did not apply: git cannot apply the patch, or it makes a link or leaves the repository. could not be
graded: no fault of the patch's (the world could not be built, the row's own test patch does not apply): it counts
neither as resolved nor as not."""

NamedOutcome = Literal["passed", "failed", "error", "skipped", "missing"]
"""What became of a named test; "missing": the run says nothing of it, which counts as failed."""


@dataclass(frozen=True, slots=True)
class Findings:
    """One verdict. resolved: `verdict == "resolved"`, said for those who only count.

    fail_to_pass, pass_to_pass: every named test with its outcome; empty where no test ran. exit_code: of the test
    command, None where it did not run. seconds: wall time of making the sandbox and running the tests.
    reason: a sentence, "" where it is resolved. log: the end of what the run printed, "" where it is resolved.
    """

    verdict: Word
    resolved: bool
    fail_to_pass: Mapping[str, NamedOutcome] = field(default_factory=dict)
    pass_to_pass: Mapping[str, NamedOutcome] = field(default_factory=dict)
    reason: str = ""
    exit_code: int | None = None
    seconds: float = 0.0
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade(Findings):
    """The verdict on the whole patch (the official rule, the headline), and beside it the stricter one.

    without_machinery: the verdict on the patch without its changes to files that decide how tests are run; the same
    where it changes none of them. machinery: these files' paths.
    flaky: named tests whose outcome was not the same in every one of `repeats` runs; the headline is the first run's.
    patch: digest of the candidate's patch. dataset: digest of the dataset that the reference is from.
    """

    without_machinery: Findings
    machinery: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    repeats: int = 1
    patch: str = ""
    dataset: str = ""

    @property
    def differs(self) -> bool:
        """Whether changes to test machinery decide about this patch: a report has to say so."""
        return self.resolved != self.without_machinery.resolved
