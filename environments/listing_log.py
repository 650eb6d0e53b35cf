"""A listing: below a heading for each file ("path/test_a.py[12]") a line "name ok" for each test, then counts."""

from __future__ import annotations

import re

from .test_outcomes import Outcome, Results, merge

# Outcomes as a verbose listing writes them: failed, exception, expected failure, unexpected pass, skipped, timed out.
_WORDS: dict[str, Outcome] = {
    "ok": "passed",
    "F": "failed",
    "E": "error",
    "f": "passed",
    "X": "passed",
    "s": "skipped",
    "w": "skipped",
    "T": "failed",
}
_FILE = re.compile(r"^(\S.*?\.\w+)\[(\d+|\?)\](?:\s|$)")
_NAME = re.compile(r"^(test\w*)(?: (.*))?$")
_END = re.compile(
    r"^=*[ \t]*tests finished: ([^\n]+?),\s{1,80}in [\d.]+ seconds[ \t]*=*[ \t]*$", re.MULTILINE
)
_LAST = re.compile(r"^(?:.* )?(ok|[FEfXswT])$")  # after what the test printed on its own line
_PASSED = re.compile(r"(\d+) (?:passed|expected to fail|expected to fail but passed)\b")
_VERDICTS = ("[OK]", "[FAIL]")  # the file's own, at the end of its last test's line


def listing_log(log: str) -> tuple[Results, bool]:
    """Names: "path::name". A test's own output may stand between its name and its outcome."""
    pairs: list[tuple[str, Outcome]] = []
    file = waiting = ""
    for line in log.splitlines():
        if match := _FILE.match(line):
            file, waiting = match[1], ""
            continue
        said = line.rstrip()
        for verdict in _VERDICTS:
            said = said.removesuffix(verdict).rstrip()
        if file and (named := _NAME.match(said)):
            waiting, said = f"{file}::{named[1]}", _LAST.sub(r"\1", named[2] or "")
        word = "ok" if said.endswith(" ok") else said
        if waiting and word in _WORDS:
            pairs.append((waiting, _WORDS[word]))
            waiting = ""
    results = merge(pairs)
    ends = _END.findall(log)
    counted = sum(int(number) for number in _PASSED.findall(ends[-1])) if ends else 0
    passed = sum(outcome == "passed" for outcome in results.values())
    return results, bool(ends) and passed <= counted
