"""Grading: hidden tests, which only this package can see, against one patch in a fresh sandbox (SAFETY 3, 4).

`grade_instance` makes a `Grade` of a dataset row's candidate: both verdicts, every named test's outcome. `grade` is
one run of it, against a `Gold` however it was made.
"""

from __future__ import annotations

from .gold import CannotGrade, Gold, gold_of
from .instance_grades import empty_patch, grade_instance, not_graded, patch_digest
from .machinery import test_machinery
from .trial import Verdict, grade, grade_twice
from .verdicts import Findings, Grade, NamedOutcome, Word

__all__ = [
    "CannotGrade",
    "Findings",
    "Gold",
    "Grade",
    "NamedOutcome",
    "Verdict",
    "Word",
    "empty_patch",
    "gold_of",
    "grade",
    "grade_instance",
    "grade_twice",
    "not_graded",
    "patch_digest",
    "test_machinery",
]
