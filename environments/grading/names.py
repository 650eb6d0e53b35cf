"""Finding a named test in what a run reported: datasets write the same test's name in several ways.

The ways are those of the log readers that datasets were made with: a pytest id cut at its first space or within its
parameters, a parameter that is a path cut to its last part, unittest's name with or without the method in its class's
path, a docstring's first line in place of a name, a bare function name. A name is looked for as it is before any other
way is tried; where several reported tests answer to one name, the worst outcome counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ..test_logs import Outcome, merge
from .verdicts import NamedOutcome

_UNITTEST = re.compile(r"^(\w+) \(([\w.<>]+)\)$")
_PARAMETERS = re.compile(r"^(.*?)\[(.*)\]$", re.DOTALL)


def outcomes_of(
    names: Iterable[str], results: Mapping[str, Outcome], titles: Mapping[str, Outcome] | None = None
) -> dict[str, NamedOutcome]:
    """What became of each named test, in their order. titles: outcomes by first lines of docstrings."""
    plain = merge((_plain(name), outcome) for name, outcome in results.items())
    others = merge((way, outcome) for name, outcome in plain.items() for way in _ways(name))
    found: dict[str, NamedOutcome] = {}
    for name in names:
        way = _plain(name)
        outcome = plain.get(way) or (titles or {}).get(name) or others.get(way)
        found[name] = outcome or _beginning_with(name, plain) or "missing"
    return found


def _beginning_with(name: str, results: Mapping[str, Outcome]) -> Outcome | None:
    """The outcome of the tests that a name was cut from in the middle of its parameters."""
    if name.count("[") <= name.count("]"):
        return None
    return merge(("", outcome) for other, outcome in results.items() if other.startswith(name)).get("")


def _ways(name: str) -> Iterator[str]:
    """The other ways in which a dataset may write a reported test's name."""
    if match := _PARAMETERS.match(name):
        function, parameters = match.groups()
        if parameters.startswith("/") and not parameters.startswith("//") and "*" not in parameters:
            yield f"{function}[/{parameters.rsplit('/', 1)[1]}]"
    if "::" in name:
        if " " in name:
            yield name.split(" ", 1)[0]
        yield name.rsplit("::", 1)[1]
    elif match := _UNITTEST.match(name):
        yield match[1]


def _plain(name: str) -> str:
    """unittest's name as Python before 3.11 has it: without the method at the end of its class's path."""
    match = _UNITTEST.match(name)
    return f"{match[1]} ({match[2].removesuffix('.' + match[1])})" if match else name
