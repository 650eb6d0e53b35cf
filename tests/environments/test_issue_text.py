"""SAFETY 17: whatever an issue holds is text; what cannot be read is one sentence."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import IssueError, read_issue


@pytest.mark.parametrize(
    "text",
    ["It {{ crashes }} {% for x in y %}", "<edit>a</edit></test>", "line\nline\n```py\nx\n```", "a/b does not work",
     "-v", "--- a/x\n+++ b/x", "x" * 5000, "~nobody: it fails", "~", ".", "%s %(a)s {0}", "日本語 🎉",
     "see https://x.org/1 for it"],
)  # fmt: skip
def test_text_stays_text(text):
    assert read_issue(text) == text


def test_a_file_and_standard_input(tmp_path):
    file = tmp_path / "issue file.md"
    file.write_bytes(b"\xef\xbb\xbfbroken\r\nhere\r\n")
    assert read_issue(str(file)) == "broken\nhere"
    assert read_issue("-", io.StringIO("from a terminal\n")) == "from a terminal"
    assert read_issue("-", io.TextIOWrapper(io.BytesIO(b"caf\xe9"))) == "caf\ufffd"


def test_binary_and_huge(tmp_path):
    file = tmp_path / "core"
    file.write_bytes(b"\x7fELF\0\x01\x80\xff" * 10)
    text = read_issue(str(file))
    assert "\0" not in text and "ELF" in text
    text.encode("utf-8")
    file.write_bytes(b"y" * 3_000_000)
    text = read_issue(str(file))
    assert len(text) < 1_000_200 and "was cut here" in text.splitlines()[-1]
    assert "2,000,000 bytes" in read_issue("z\n" * 1_000_000)


@pytest.mark.parametrize("source", ["", " \n\t ", "\r\n", "\x00"[:0]])
def test_an_empty_issue_is_a_sentence(source, tmp_path):
    with pytest.raises(IssueError, match="is empty"):
        read_issue(source)
    with pytest.raises(IssueError, match="is empty"):
        read_issue("-", io.StringIO(source))
    (tmp_path / "empty").write_text(source)
    with pytest.raises(IssueError, match="is empty"):
        read_issue(str(tmp_path / "empty"))


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
def test_any_text_is_text_or_empty(text):
    try:
        got = read_issue(f"x {text}")
    except IssueError as error:
        pytest.fail(str(error))
    got.encode("utf-8")
    assert got.startswith("x") and "\0" not in got


@pytest.mark.parametrize("name", ["isue.md", "notes/issue.txt"])
def test_a_mistyped_file_is_not_taken_for_an_issue(name):
    with pytest.raises(IssueError, match="there is no file"):
        read_issue(name)


def test_a_folder_is_named(tmp_path):
    with pytest.raises(IssueError, match="is a folder"):
        read_issue(str(tmp_path))


def test_no_standard_input():
    with pytest.raises(IssueError, match="closed"):
        read_issue("-", None)


def test_a_url(httpserver):
    httpserver.expect_request("/raw").respond_with_data("plain {{ text }}", content_type="text/plain")
    assert read_issue(httpserver.url_for("/raw")) == "plain {{ text }}"
    page = "<html><head><title>T</title><script>no()</script></head><body><nav>menu</nav><p>It &lt;fails&gt;</p></body>"
    httpserver.expect_request("/page").respond_with_data(page, content_type="text/html; charset=utf-8")
    text = read_issue(httpserver.url_for("/page"))
    assert "It <fails>" in text and "no()" not in text and "menu" not in text
    httpserver.expect_request("/gone").respond_with_data("x", status=404)
    with pytest.raises(IssueError, match="answers 404"):
        read_issue(httpserver.url_for("/gone"))
    httpserver.expect_request("/empty").respond_with_data("")
    with pytest.raises(IssueError, match="is empty"):
        read_issue(httpserver.url_for("/empty"))
    with pytest.raises(IssueError, match="cannot be fetched"):
        read_issue("http://127.0.0.1:9/nothing")


@pytest.mark.parametrize(
    "url",
    ["https://github.com/o/r.x/issues/7", "http://www.github.com/o/r.x/issues/7#issuecomment-1",
     "https://github.com/o/r.x/issues/7?q=1"],
)  # fmt: skip
def test_a_github_issue_gives_title_and_body(httpserver, url):
    answer = {"title": "It fails", "body": "With <this>\r\nand {{ that }}", "comments": 3}
    httpserver.expect_request("/repos/o/r.x/issues/7").respond_with_data(json.dumps(answer))
    assert (
        read_issue(url, api=httpserver.url_for("").rstrip("/")) == "It fails\n\nWith <this>\nand {{ that }}"
    )


def test_a_github_issue_without_a_body(httpserver):
    httpserver.expect_request("/repos/o/r/issues/7").respond_with_data(
        json.dumps({"title": "T", "body": None})
    )
    assert read_issue("https://github.com/o/r/issues/7", api=httpserver.url_for("").rstrip("/")) == "T"
