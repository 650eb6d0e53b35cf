"""Reports that the code under test wrote to take all memory: a bound on what reading one takes, whatever is in it."""

from __future__ import annotations

import pytest
from peak import peak

from environments.test_xml import LARGEST, read_xml

_ENTITIES = (
    '<!DOCTYPE a [<!ENTITY b "xxxxxxxxxxxxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;">]><a><testcase name="&c;"/></a>'
)
_PLAIN = '<a><testcase name="x"/></a>'

REPORTS = {
    "an element in an element": 'b"<a>" * 5_000_000',
    "small elements": 'b"<a>" + b"<b/>" * 5_000_000 + b"</a>"',
    "small elements in UTF-16": '("<a>" + "<b/>" * 900_000 + "</a>").encode("utf-16")',
    "small elements in UTF-16 without a mark": '("<a>" + "<b/>" * 900_000 + "</a>").encode("utf-16-be")',
    "names of elements": 'b"<a>" + b"".join(b"<b%d/>" % i for i in range(2_000_000)) + b"</a>"',
    "names of attributes": 'b"<a" + b"".join(b" a%d=\'\'" % i for i in range(2_000_000)) + b"/>"',
    "an attribute": 'b"<a b=\'" + "\\u4e2d".encode() * 9_000_000 + b"\'/>"',
    "an attribute, emoji": 'b"<testcase name=\'" + "\\U0001f600".encode() * 7_000_000 + b"\'/>"',
    "a comment": 'b"<a><!--" + b"x" * 30_000_000 + b"--></a>"',
    "an instruction": 'b"<a><?x " + b"x" * 30_000_000 + b"?></a>"',
    "text": 'b"<a>" + b"x" * 30_000_000 + b"</a>"',
    "cdata": 'b"<a><![CDATA[" + b"x" * 30_000_000 + b"]]></a>"',
    "cases": 'b"<a>" + b"<testcase name=\'abc\'/>" * 1_200_000 + b"</a>"',
    "cases within one": 'b"<a><testcase>" + b"<testcase/>" * 2_500_000 + b"</testcase></a>"',
    "namespaces": 'b"<a>" + b"".join(b"<b xmlns:x%d=\'u%d\'/>" % (i, i) for i in range(900_000)) + b"</a>"',
    "more bytes than allowed": 'b"<a>" + b" " * 100_000_000 + b"</a>"',
}


@pytest.mark.parametrize("report", REPORTS)
def test_memory_for_a_report_is_bounded(report):
    _, taken, _ = peak(
        f"from environments.test_xml import read_xml\ncontent = {REPORTS[report]}",
        "results = read_xml(content)\nresult = results and len(results)",
    )
    assert taken < 160


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037"]
)
def test_a_doctype_in_any_encoding(encoding):
    assert read_xml(_ENTITIES.encode(encoding)) is None
    assert read_xml(f'<?xml version="1.0" encoding="{encoding}"?>{_ENTITIES}'.encode(encoding)) is None


@pytest.mark.parametrize("start", ["", '<?xml version="1.0" encoding="utf-8"?>', "\ufeff", "<!-- a --> "])
def test_what_pytest_writes_is_read(start):
    assert read_xml((start + _PLAIN).encode()) == {"x": "passed"}


def test_a_case_in_a_case_and_what_is_deeper_is_no_outcome():
    report = b"<a><testcase name='x'><b><failure/></b><testcase name='y'/></testcase><testcase name='z'/></a>"
    assert read_xml(report) == {"x": "passed", "z": "passed"}


def test_large_suites_are_read():
    case = '<testcase classname="tests.test_a.TestB" name="test_{}" file="tests/test_a.py"/>'
    report = (
        "<testsuites><testsuite>" + "".join(map(case.format, range(250_000))) + "</testsuite></testsuites>"
    )
    assert len(report) < LARGEST and len(read_xml(report.encode())) == 250_000
