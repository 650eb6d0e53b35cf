"""How much a generated test can tell: data for strategies and for whoever reads a choice. Pure.

An audit of published systems found that 65 of 105 decisive generated tests fail on the reference fix
(ALGORITHMS 2): a vote is noisy evidence, so each test says how much it can tell, and why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent import Run

from .clusters import same_program
from .evidence import UNFIXED, Evidence, Test
from .names import id_order
from .votes import counting, passes

_IMPORT = re.compile(
    r"\b(?:ModuleNotFoundError|ImportError|SyntaxError|IndentationError)\b|No module named|cannot import name"
    r"|Cannot find (?:module|package)"
)


@dataclass(frozen=True, slots=True)
class Quality:
    """What one generated test is worth.

    counts: it fails on the unfixed code for the issue's reason, and does so each time. weight: how much it tells of the
    candidates, in bits from 0 to 1: the entropy of passed and not passed over the different programs that it was run
    on; 0 where it does not count or all behave alike. reason: why, a phrase. steady: whether repeats agree, None where
    there are none. passed, of: different programs that pass it, and on which it was run.
    """

    test: str
    counts: bool
    weight: float
    reason: str
    steady: bool | None = None
    passed: int = 0
    of: int = 0


def qualities(evidence: Evidence) -> Mapping[str, Quality]:
    """By test id, in the order of ids."""
    programs = same_program(evidence)
    _, silent = counting(evidence)
    tests = sorted(evidence.tests, key=lambda test: id_order(test.id))
    return {test.id: _quality(test, programs, silent.get(test.id, ""), evidence) for test in tests}


def _quality(test: Test, programs: tuple[tuple[str, ...], ...], silent: str, evidence: Evidence) -> Quality:
    # Copies of one patch are one program: how often it was written says nothing of the test.
    runs = [
        run
        for program in programs
        if (
            run := next(
                (evidence.cells[name, test.id] for name in program if (name, test.id) in evidence.cells), None
            )
        )
    ]
    passed, of = sum(map(passes, runs)), len(runs)
    steady, where = _steadiness(test.id, evidence)

    def worth(reason: str, weight: float = 0.0, counts: bool = False) -> Quality:
        return Quality(test.id, counts, weight, reason, steady, passed, of)

    if silent:
        return worth(silent)
    if steady is False:
        return worth(f"not deterministic: its repeats differ on {where}")
    if _by_import(evidence.cells[UNFIXED, test.id]) and passed < 2:
        # Where independent attempts came to the same name, the issue asks for it; else it is one author's invention.
        return worth(
            "fails on the unfixed code only by an import, and no two candidates have what it imports"
        )
    known = "" if steady else "; run once, so nothing is known of its being deterministic"
    if not of:
        return worth(f"fails on the unfixed code; was run on no candidate{known}", counts=True)
    if not passed:
        return worth(
            f"no candidate passes it: it tells nothing between them, and may be wrong{known}", counts=True
        )
    if passed == of:
        return worth(f"every candidate passes it: it tells nothing between them{known}", counts=True)
    share = passed / of
    bits = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    return worth(f"{passed} of {of} different patches pass it{known}", bits, counts=True)


def _steadiness(test: str, evidence: Evidence) -> tuple[bool | None, str]:
    """Whether exit codes and endings agree in all repeats (None: there are none), and where they do not."""
    seen = False
    for (name, of_test), further in sorted(evidence.repeats.items()):
        first = evidence.cells.get((name, of_test))
        if of_test != test or first is None or not further:
            continue
        seen = True
        if any((run.exit_code, run.ended) != (first.exit_code, first.ended) for run in further):
            return False, "the unfixed code" if name == UNFIXED else name
    return (True if seen else None), ""


def _by_import(run: Run) -> bool:
    return _IMPORT.search(run.output) is not None
