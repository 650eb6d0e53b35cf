"""Grades in the store: results of kind "grade", one for each candidate of each task, by the candidate's id."""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter

from environments import Grade
from store import Store

KIND = "grade"


@cache
def _adapter() -> TypeAdapter[Grade]:
    return TypeAdapter(Grade)


def grade_to_json(grade: Grade) -> str:
    return _adapter().dump_json(grade).decode()


def grade_from_json(text: str) -> Grade:
    """Raises pydantic.ValidationError where the text is no grade."""
    return _adapter().validate_json(text)


def grades_of(store: Store, run: str, task: str) -> dict[str, Grade]:
    """A task's grades by candidate."""
    return {row.name: grade_from_json(row.body) for row in store.results(run, task, KIND)}


async def keep_grade(store: Store, run: str, task: str, candidate: str, grade: Grade) -> None:
    """Write a grade, or replace the candidate's older one."""
    await store.put_result(run, task, KIND, candidate, grade_to_json(grade))
