"""pytest's own XML report: names and outcomes that no printed line can add to.

The code under test may have written it: it is read piece by piece, nothing but names and outcomes is kept, and what no
report of pytest's has (a DOCTYPE, another encoding than UTF-8, a deep or huge element) ends the reading.
"""

from __future__ import annotations

from .test_logs import Outcome, Results, merge

LARGEST = 32 * 2**20
"""Bytes of a report: some 200,000 tests."""
_ELEMENTS = 600_000
_CASES = 300_000
_NAMES = 64 * 2**20
"""Characters of all names together: three attributes of a case, of which two are often said again."""
_DEPTH = 32
"""pytest nests five deep."""
_TOKEN = 2**20
"""Bytes of a single tag, which the parser holds as a whole."""
_PIECE = 2**16


class _TooMuch(Exception):
    """More than a report of pytest's has."""


class _Cases:
    """What the parser tells of the cases; elements are forgotten as they end."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, Outcome]] = []
        self._elements = self._depth = self._names = self._case_depth = 0
        self._case: tuple[str | None, str, str] | None = None
        self._outcome: Outcome = "passed"

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > _ELEMENTS or self._depth > _DEPTH:
            raise _TooMuch
        if self._case is not None:
            if self._depth == self._case_depth + 1:
                self._outcome = _with(self._outcome, tag, attributes.get("type"))
        elif tag == "testcase":
            case = (
                attributes.get("file"),
                attributes.get("classname") or "",
                attributes.get("name") or "",
            )
            self._names += sum(len(name or "") for name in case)
            if len(self.pairs) >= _CASES or self._names > _NAMES:
                raise _TooMuch
            self._case, self._case_depth, self._outcome = case, self._depth, "passed"

    def end(self, tag: str) -> None:
        if self._case is not None and self._depth == self._case_depth:
            self.pairs.append((_node_id(*self._case), self._outcome))
            self._case = None
        self._depth -= 1

    def close(self) -> None:
        """All is in `pairs`."""


def read_xml(content: bytes) -> Results | None:
    """Results by node id ("tests/test_a.py::TestB::test_c[d]"), None where the report is broken, absent or too much.

    It needs junit_family=xunit1, which names the file. A module that cannot be imported is an error under its path.
    An expected failure counts as passed.
    """
    import xml.etree.ElementTree as ElementTree

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    if len(content) > LARGEST:
        return None
    cases = _Cases()
    # pytest writes UTF-8, so no other encoding is asked for: what is none of it is no report.
    parser = DefusedXMLParser(target=cases, encoding="utf-8", forbid_dtd=True)
    expat = parser.parser
    try:
        for at in range(0, len(content), _PIECE):
            parser.feed(content[at : at + _PIECE])
            if at + _PIECE - max(expat.CurrentByteIndex, 0) > _TOKEN:
                return None
        parser.close()
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError, _TooMuch):
        return None
    return merge(cases.pairs)


def _with(outcome: Outcome, tag: str, kind: str | None) -> Outcome:
    """The outcome of a case after one more child of it."""
    if tag == "error":
        return "error"
    if tag == "failure":
        return "failed" if outcome != "error" else outcome
    if tag == "skipped" and outcome == "passed":
        return "passed" if kind == "pytest.xfail" else "skipped"
    return outcome


def _node_id(file: str | None, classname: str, name: str) -> str:
    if not file:
        return "::".join(part for part in (classname, name) if part)
    module = file.removesuffix(".py").replace("/", ".")
    if not classname and name == module:
        return file  # the module could not be collected
    classes = classname.removeprefix(module).strip(".")
    return "::".join([file, *(part for part in classes.split(".") if part), name])
