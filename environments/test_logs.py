"""Reading what test runners print. Each parser is a pure function from a log to results and whether it is whole.

A log can be forged by the code under test: it prints what it likes. Where a format closes with a count, the results
must agree with it; a log without its closing words is not whole. pytest's XML (`test_xml`) is preferred to its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from .listing_log import listing_log
from .test_outcomes import Outcome, Results, merge
from .unittest_log import unittest_log, unittest_titles

EXIT = "(exit code)"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def read_log(test_format: str, log: str) -> tuple[Results, bool]:
    """Results by test name, and whether the log is whole. An unknown format gives ({}, False)."""
    parser = _PARSERS.get(test_format)
    return parser(plain(log)) if parser else ({}, False)


def read_titles(test_format: str, log: str) -> Results:
    """Outcomes by the first lines of docstrings, where the runner prints these beside, or for, the tests' names."""
    return unittest_titles(plain(log)) if test_format == "unittest" else {}


def plain(log: str) -> str:
    """Without colours and with plain line ends."""
    return _ANSI.sub("", log).replace("\r\n", "\n")


# pytest -rA, pytest -v ------------------------------------------------------------------------------------------------

_PYTEST: dict[str, Outcome] = {
    "PASSED": "passed",
    "XPASS": "passed",
    "XFAIL": "passed",
    "FAILED": "failed",
    "ERROR": "error",
}
_VERBOSE: dict[str, Outcome] = {**_PYTEST, "SKIPPED": "skipped"}
_SUMMARY = re.compile(r"^=+ short test summary info =+$", re.MULTILINE)
_COUNTS = re.compile(
    r"^=* ?((?:\d+ [a-z]+(?: [a-z]+)?(?:, )?)+) in [\d.]+s(?: \([\d:, day]+\))? ?=*$", re.MULTILINE
)
_VERBOSE_LINE = re.compile(
    r"^(\S.*?::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)(?: \(.*\))?(?:\s+\[ *\d+%\])?$"
)
_XDIST_LINE = re.compile(r"^\[gw\d+\] \[ *\d+%\] (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (\S.*)$")


def pytest_log(log: str) -> tuple[Results, bool]:
    """The short summary of -rA; where there is none, the lines of -v. An expected failure counts as passed.

    Limits: a skipped test is named only by -v; a message is told from a parameter by its brackets, so an id whose
    parameter holds "] - " is cut there.
    """
    counts = list(_COUNTS.finditer(log))
    end = counts[-1].start() if counts else len(log)
    headers = [match for match in _SUMMARY.finditer(log) if match.end() <= end]
    lines = log[:end].splitlines()
    verbose = [match.groups() for line in lines if (match := _VERBOSE_LINE.match(line))]
    verbose += [(match[2].rstrip(" "), match[1]) for line in lines if (match := _XDIST_LINE.match(line))]
    if not headers:
        results = merge((name, _VERBOSE[word]) for name, word in verbose)
        return results, bool(counts) and _agrees(results, counts[-1].group(1))
    pairs: list[tuple[str, Outcome]] = []
    for line in log[headers[-1].end() : end].splitlines():
        word, _, rest = line.partition(" ")
        if word in _PYTEST and rest:
            name = rest if word == "PASSED" else _without_message(rest)
            pairs.append((name, _PYTEST[word]))
    results = merge(pairs)
    for name, word in verbose:
        if word == "SKIPPED" and name not in results:
            results[name] = "skipped"
    return results, bool(counts) and _agrees(results, counts[-1].group(1))


def _agrees(results: Results, counts: str) -> bool:
    """Not more passed tests than pytest itself counted (fewer are possible: -r without A, two of one name)."""
    counted = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)(?=,|$)", counts)}
    passed = sum(counted.get(word, 0) for word in ("passed", "xpassed", "xfailed"))
    return sum(outcome == "passed" for outcome in results.values()) <= passed


def _without_message(text: str) -> str:
    """The node id at the head of "id - message": the message starts after the id's parameters are closed."""
    bracket = text.find("[")
    dash = text.find(" - ")
    if dash < 0:
        return text.rstrip()
    if 0 <= bracket < dash:
        closed = re.search(r"\] - ", text[bracket:])
        if closed:
            return text[: bracket + closed.start() + 1]
        return text.rstrip() if text.rstrip().endswith("]") else text[:dash]
    return text[:dash]


# go test -v, go test -json --------------------------------------------------------------------------------------------

_GO_WORDS: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}
_GO_LINE = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+)(?: \([\d.]+s\))?$")
_GO_PACKAGE = re.compile(r"^(ok|FAIL|\?|---)\s+(\S+)\s+(.*)$")


def go_log(log: str) -> tuple[Results, bool]:
    """go test -json, or -v. Names: "package.TestName/sub", "package" for one that does not build or dies.

    Limit: go itself takes a line "--- PASS: X" which a test prints for a result.
    """
    if any(line.startswith("{") and '"Action"' in line for line in log.splitlines()):
        return _go_json(log)
    pairs: list[tuple[str, Outcome]] = []
    pending: list[tuple[str, Outcome]] = []
    whole = False
    for line in log.splitlines():
        if match := _GO_LINE.match(line):
            pending.append((match.group(2), _GO_WORDS[match.group(1).lower()]))
        elif (match := _GO_PACKAGE.match(line)) and match.group(1) in ("ok", "FAIL"):
            word, package, _ = match.groups()
            pairs += [(f"{package}.{name}", outcome) for name, outcome in pending]
            if word == "FAIL" and not any(outcome == "failed" for _, outcome in pending):
                pairs.append((package, "error"))
            pending, whole = [], True
    return merge([*pairs, *pending]), whole and not pending


def _go_json(log: str) -> tuple[Results, bool]:
    pairs: list[tuple[str, Outcome]] = []
    failed: set[str] = set()
    started: set[str] = set()
    ended: set[str] = set()
    for line in log.splitlines():
        try:
            event = json.loads(line)
            action, package, test = str(event["Action"]), str(event.get("Package", "")), event.get("Test")
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        started.add(package)
        if action not in _GO_WORDS:
            continue
        if test:
            pairs.append((f"{package}.{test}", _GO_WORDS[action]))
            failed |= {package} if action == "fail" else set()
        else:
            ended.add(package)
            if action == "fail" and package not in failed:
                pairs.append((package, "error"))
    return merge(pairs), bool(ended) and started - {""} <= ended


# cargo test -----------------------------------------------------------------------------------------------------------

_CARGO_WORDS: dict[str, Outcome] = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
_CARGO_OUTCOME = re.compile(r"(?:.*\s)?(ok|FAILED|ignored)(?:, .*)?$")
_CARGO_END = re.compile(
    r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored;", re.MULTILINE
)


def cargo_log(log: str) -> tuple[Results, bool]:
    """cargo test's lines, checked against the counts of "test result:". Of one name in two binaries the worst."""
    pairs = []
    for line in log.splitlines():
        name, dots, said = line.removeprefix("test ").partition(" ... ")
        if line.startswith("test ") and name and dots and (match := _CARGO_OUTCOME.match(said)):
            pairs.append((name.removesuffix(" - should panic"), _CARGO_WORDS[match[1]]))
    ends = _CARGO_END.findall(log)
    counted = sum(int(passed) for passed, _, _ in ends)
    return merge(pairs), bool(ends) and sum(outcome == "passed" for _, outcome in pairs) <= counted


# TAP ------------------------------------------------------------------------------------------------------------------

_TAP_LINE = re.compile(r"^( *)(not )?ok\b(?: +(\d+))?(?: +-)? *(.*)$")
_TAP_DIRECTIVE = re.compile(r"(?:^|[^\\])# *(SKIP|TODO)\b.*$", re.IGNORECASE)
_TAP_PLAN = re.compile(r"^1\.\.(\d+)")
_TAP_NAME = re.compile(r"^( *)# Subtest: (.*)$")


def tap_log(log: str) -> tuple[Results, bool]:
    """TAP 12 to 14. Names: descriptions, joined by " > " below a "# Subtest"; "test N" where there is none."""
    pairs: list[tuple[str, Outcome]] = []
    parents: list[tuple[int, str]] = []
    plan, top = None, 0
    for line in log.splitlines():
        if match := _TAP_NAME.match(line):
            depth = len(match.group(1))
            parents = [parent for parent in parents if parent[0] < depth] + [(depth, match.group(2).strip())]
        elif match := _TAP_PLAN.match(line):
            plan = int(match.group(1))
        elif line.startswith("Bail out!"):
            return merge(pairs), False
        elif match := _TAP_LINE.match(line):
            depth, bad, number, name = len(match.group(1)), *match.groups()[1:]
            directive = _TAP_DIRECTIVE.search(name)
            name = (name[: directive.start(1)].rstrip("# ") if directive else name).strip()
            above = [name_ for depth_, name_ in parents if depth_ < depth]
            outcome: Outcome = "failed" if bad else "passed"
            if directive:  # a TODO is an expected failure, as in the other formats
                outcome = "skipped" if directive.group(1).upper() == "SKIP" else "passed"
            pairs.append((" > ".join([*above, name or f"test {number or len(pairs) + 1}"]), outcome))
            top += depth == 0
    return merge(pairs), plan is not None and top == plan


_PARSERS: dict[str, Callable[[str], tuple[Results, bool]]] = {
    "pytest": pytest_log,
    "unittest": unittest_log,
    "listing": listing_log,
    "go": go_log,
    "cargo": cargo_log,
    "tap": tap_log,
}
FORMATS = frozenset(_PARSERS)
"""What `read_log` reads; "exit" is none of them."""
