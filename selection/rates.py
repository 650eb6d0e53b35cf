"""The scores that R2E-Gym and others rank by, each for one candidate, None where nothing is known. Pure."""

from __future__ import annotations

from .evidence import UNFIXED, Evidence
from .votes import counting, passes


def regression_rate(candidate: str, evidence: Evidence) -> float | None:
    """Share of the existing tests that passed on the unfixed code and still pass (R2E-Gym)."""
    found = evidence.regressions.get(candidate)
    return None if found is None or found.error or not found.known else found.passed / found.known


def broken_tests(candidate: str, evidence: Evidence) -> int | None:
    """How many existing tests it breaks; 0 where there is nothing to compare with, None where it was not run."""
    found = evidence.regressions.get(candidate)
    return None if found is None else 0 if found.error else len(found.broken)


def reproduction_score(candidate: str, evidence: Evidence) -> int | None:
    """How many generated cases report that the issue is resolved (R2E-Gym), of those that reproduce it at first.

    A case counts where it reports "reproduced" on the unfixed code (R2E-Gym does not ask for that); a generated test
    that counts (selection/votes) is a case too: its exit codes 2, 0, other are the same three outcomes. A case that was
    not run on the candidate is not resolved. None where the candidate was run on none.
    """
    tests, _ = counting(evidence)
    runs = [evidence.cells.get((candidate, test.id)) for test in tests]
    known = any(run is not None for run in runs)
    score = sum(passes(run) for run in runs)
    for each in evidence.reproductions:
        seen = each.runs.get(candidate)
        if seen is None or not gated(each.id, evidence):
            continue
        known = True
        score += sum(seen.outcomes.get(case) == "resolved" for case in gated(each.id, evidence))
    return score if known else None


def cases_to_resolve(evidence: Evidence) -> int:
    """How many cases count, of all generated tests and files of reproduction cases."""
    return len(counting(evidence)[0]) + sum(len(gated(each.id, evidence)) for each in evidence.reproductions)


def gated(reproduction: str, evidence: Evidence) -> tuple[str, ...]:
    """The cases of a file that report "reproduced" on the unfixed code, by name; the others say nothing."""
    for each in evidence.reproductions:
        if each.id == reproduction and UNFIXED in each.runs:
            before = each.runs[UNFIXED].outcomes
            return tuple(sorted(case for case, outcome in before.items() if outcome == "reproduced"))
    return ()


def yes(candidate: str, evidence: Evidence) -> float | None:
    """The judge's P(YES)."""
    found = evidence.judgements.get(candidate)
    return None if found is None else found.yes
