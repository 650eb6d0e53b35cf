"""pytest's own XML report: names and outcomes that no printed line can add to."""

from __future__ import annotations

from .test_logs import Outcome, Results, merge


def read_xml(content: bytes) -> Results | None:
    """Results by node id ("tests/test_a.py::TestB::test_c[d]"), None where the report is broken or absent.

    It needs junit_family=xunit1, which names the file. A module that cannot be imported is an error under its path.
    An expected failure counts as passed.
    """
    import xml.etree.ElementTree as ElementTree

    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        return None  # pytest writes none: entities would only blow it up
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    pairs: list[tuple[str, Outcome]] = []
    for case in root.iter("testcase"):
        outcome: Outcome = "passed"
        for child in case:
            if child.tag == "error":
                outcome = "error"
            elif child.tag == "failure":
                outcome = "failed" if outcome != "error" else outcome
            elif child.tag == "skipped" and outcome == "passed":
                outcome = "passed" if child.get("type") == "pytest.xfail" else "skipped"
        pairs.append(
            (_node_id(case.get("file"), case.get("classname") or "", case.get("name") or ""), outcome)
        )
    return merge(pairs)


def _node_id(file: str | None, classname: str, name: str) -> str:
    if not file:
        return "::".join(part for part in (classname, name) if part)
    module = file.removesuffix(".py").replace("/", ".")
    if not classname and name == module:
        return file  # the module could not be collected
    classes = classname.removeprefix(module).strip(".")
    return "::".join([file, *(part for part in classes.split(".") if part), name])
