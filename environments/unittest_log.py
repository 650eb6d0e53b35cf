"""What unittest prints with -v, as runners built on it do too, old ones of large projects among them."""

from __future__ import annotations

import re

from .test_outcomes import Outcome, Results, merge

_UNIT_WORDS: tuple[tuple[str, Outcome], ...] = (
    ("unexpected success", "failed"),
    ("expected failure", "passed"),
    ("skipped", "skipped"),
    ("FAIL", "failed"),
    ("ERROR", "error"),
    ("ok", "passed"),
)
_UNIT_NAME = re.compile(r"^(\w+) \(([\w.<>]+)\)")
_UNIT_SKIPPED = re.compile(r" \.\.\. (skipped ['\"].*['\"])$")  # the reason may hold " ... ok"
_UNIT_SECTION = re.compile(r"^(FAIL|ERROR): (\w+) \(([\w.<>]+)\)", re.MULTILINE)
_UNIT_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
_UNIT_END = re.compile(r"^(?:OK|FAILED|NO TESTS RAN)(?: \(.*\))?$", re.MULTILINE)


def unittest_log(log: str) -> tuple[Results, bool]:
    """The lines of -v, corrected by the sections on failures. Names: "test_x (module.Class)".

    Python 3.11 prints "test_x (module.Class.test_x)": made the same. A test's own output may stand between its name
    and its outcome.
    """
    pairs: list[tuple[str, Outcome]] = []
    waiting = ""
    for line in log.splitlines():
        named = _UNIT_NAME.match(line)
        if named and not line.startswith(("FAIL:", "ERROR:")):
            waiting = _unit_name(*named.groups())
        skipped = _UNIT_SKIPPED.search(line)
        dots, tail = (" ... ", skipped.group(1)) if skipped else line.rpartition(" ... ")[1:]
        outcome = _unit_outcome(tail if dots else line, alone=not dots)
        if waiting and outcome and (dots or not named):
            pairs.append((waiting, outcome))
            waiting = ""
    for word, method, where in _UNIT_SECTION.findall(log):
        pairs.append((_unit_name(method, where), "failed" if word == "FAIL" else "error"))
    results = merge(pairs)
    ran = list(_UNIT_RAN.finditer(log))
    whole = bool(ran) and bool(_UNIT_END.search(log, ran[-1].end()))
    passed = sum(outcome == "passed" for outcome in results.values())
    return results, whole and passed <= int(ran[-1].group(1))


def unittest_titles(log: str) -> Results:
    """Outcomes by the line that stands before them, where that is the first line of a test's docstring."""
    pairs: list[tuple[str, Outcome]] = []
    after_name = False
    for line in log.splitlines():
        title, dots, tail = line.rpartition(" ... ")
        if dots and after_name and (outcome := _unit_outcome(tail, alone=False)):
            pairs.append((title, outcome))
        after_name = bool(_UNIT_NAME.match(line)) and not dots
    return merge(pairs)


def _unit_outcome(text: str, *, alone: bool) -> Outcome | None:
    for word, outcome in _UNIT_WORDS:
        if text == word or (word == "skipped" and re.match(r"skipped ['\"]", text) and not alone):
            return outcome
    ending = re.search(r"(?:^|[^\w])(ok|FAIL|ERROR)$", text) if not alone else None
    return dict(_UNIT_WORDS)[ending.group(1)] if ending else None


def unittest_name(said: str) -> str:
    """A test as unittest prints it, a subtest's parameters cut off: "test_x (module.Class)"."""
    named = _UNIT_NAME.match(said)
    return _unit_name(*named.groups()) if named else said


def _unit_name(method: str, where: str) -> str:
    return f"{method} ({where.removesuffix('.' + method)})"
