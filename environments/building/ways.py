"""The general ways in which a Python repository's world may be made, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

from .plan import Plan
from .version_choice import RELEASED, SETTLED, Choice


@dataclass(frozen=True, slots=True)
class Way:
    """A plan but for how the project is installed, and the ways to do that, the best first."""

    plan: Plan
    installs: tuple[str, ...]


def ways_to_build(plan: Plan, choice: Choice, day: date, fixed: Collection[str]) -> list[Way]:
    """What may be tried with one interpreter. plan: without interpreter and date. fixed: what a recipe says of it.

    Dependencies are as of the day. An interpreter that came out later had no wheels then: those that were built
    already are tried first, then packages as of when it was settled, with and without the versions that requirements
    files pin.
    """
    settled = RELEASED.get(choice.minor, day) + SETTLED
    today, later = day.isoformat(), settled.isoformat()
    as_of = "dependencies as of"
    if "date" in fixed:
        wanted = [
            (plan.date, plan.wheels, plan.unpinned, f"{as_of} {plan.date or 'today'}, as the recipe says")
        ]
    elif settled > day:
        wanted = [
            (
                today,
                True,
                False,
                f"{as_of} {today}; packages that are built already, since Python is younger",
            ),
            (later, False, False, f"{as_of} {later}, when this Python was settled"),
            (
                later,
                False,
                True,
                f"{as_of} {later}, when this Python was settled, whatever versions test files pin",
            ),
            (today, False, False, f"{as_of} {today}"),
        ]
    else:
        wanted = [
            (today, False, False, f"{as_of} {today}"),
            (today, False, True, f"{as_of} {today}, whatever versions test files pin"),
            (
                _half_a_year_after(day),
                False,
                False,
                f"{as_of} {_half_a_year_after(day)}: at its day something could not be had",
            ),
        ]
    installs = tuple(_installs(plan, choice.minor, fixed))
    python = f"{choice.minor[0]}.{choice.minor[1]}"
    return [
        Way(
            replace(
                plan,
                python=python,
                date=when,
                wheels=wheels,
                unpinned=unpinned,
                why=(choice.why, why, *plan.why),
            ),
            installs,
        )
        for when, wheels, unpinned, why in wanted
        if not unpinned or plan.unpinned or plan.files or plan.requirements
    ]


def _half_a_year_after(day: date) -> str:
    return (day + SETTLED).isoformat()


def undated(plan: Plan) -> Plan:
    """The last resort: an index that does not say when files came to it."""
    why = "the package index does not say when files came to it: the newest dependencies are taken"
    return replace(plan, date="", why=(*plan.why, why))


def _installs(plan: Plan, minor: tuple[int, int], fixed: Collection[str]) -> list[str]:
    if "install" in fixed:
        return [plan.install]
    if not plan.project:
        return ["path"]
    develop = ["develop"] if plan.project == "setup.py" else []
    # setuptools for Python 3.6 and before makes no editable installations of the new kind.
    return [*develop, "path"] if minor < (3, 7) else ["editable", *develop, "path"]
