"""An issue as text, wherever it is told: on the command line, in a file, on standard input or behind a URL."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any

_LIMIT = 1_000_000  # bytes of an issue that are kept
_GITHUB = re.compile(r"https?://(?:www\.)?github\.com/([\w.-]+)/([\w.-]+)/(?:issues|pull)/(\d+)(?:[/?#].*)?")
_FILE_NAME = re.compile(r"\S+\.(?:md|markdown|txt|rst|log)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SECONDS = 30.0


class IssueError(Exception):
    """An issue that cannot be had. The message is one sentence that says what to do."""


def read_issue(source: str, stdin: IO[Any] | None = None, *, api: str = "https://api.github.com") -> str:
    """The issue that `source` is or names: text, an existing file, "-" for `stdin`, or an http(s) URL.

    A GitHub issue gives its title and body, without comments. Whatever is in the text stays text: bytes that are no
    UTF-8 and control characters are replaced, and beyond 1 MB it is cut, which a last line says.
    api: GitHub's API. Raises IssueError where it is empty or cannot be read.
    """
    if source == "-":
        if stdin is None:
            raise IssueError("the issue is to come from standard input, which is closed")
        where, content = "standard input", _read(getattr(stdin, "buffer", stdin))
    elif re.match(r"https?://\S+$", source.strip(), re.IGNORECASE):
        where, content = source.strip(), _fetch_issue(source.strip(), api)
    elif (file := _existing(source)) is not None:
        where, content = str(file), _read_file(file)
    elif _FILE_NAME.fullmatch(source.strip()):
        raise IssueError(
            f"there is no file {source.strip()}: name an existing file, or write the issue's text"
        )
    else:
        where, content = "the text given", source.encode("utf-8", "surrogatepass")
    text = issue_from(content)
    if not text:
        raise IssueError(f"the issue is empty ({where}): say what is wrong and what should happen")
    return text


def issue_from(content: bytes) -> str:
    """The text of an issue: UTF-8 with LF at line ends, no control characters, at most 1 MB, which a last line says."""
    kept = content[:_LIMIT]
    text = kept.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("\ufffd", text).strip()
    if text and len(content) > len(kept):
        more = "at least " if len(content) == _LIMIT + 1 else ""
        text += f"\n[The issue is {more}{len(content):,} bytes long and was cut here, after {_LIMIT:,}.]"
    return text


def _existing(source: str) -> Path | None:
    try:
        path = Path(source).expanduser()
        if path.is_file() or path.is_fifo():
            return path
        if path.is_dir() and os.sep in source:
            raise IssueError(f"{source} is a folder: name the file that holds the issue")
    except (OSError, ValueError, RuntimeError):
        pass  # a text that cannot be a path: too long, a NUL in it, an unknown ~user
    return None


def _read_file(file: Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(_LIMIT + 1)
    except OSError as error:
        raise IssueError(f"{file} cannot be read: {error.strerror}") from error


def _read(stream: IO[Any]) -> bytes:
    content = stream.read(_LIMIT + 1)
    return content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content


def _fetch_issue(url: str, api: str) -> bytes:
    on_github = _GITHUB.fullmatch(url)
    if on_github:
        owner, name, number = on_github.groups()
        try:
            content, _ = _fetch(f"{api}/repos/{owner}/{name}/issues/{number}", github=True)
            issue = json.loads(content)
            return f"{issue['title']}\n\n{issue.get('body') or ''}".encode()
        except (IssueError, ValueError, KeyError, TypeError):
            pass  # a used-up rate limit or no API at all: the page itself says it too
    content, kind = _fetch(url)
    if "html" in kind or content.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        page = _Page()
        page.feed(content.decode("utf-8", "replace"))
        return re.sub(r"\n\s*\n+", "\n\n", "".join(page.parts)).encode()
    return content


def _fetch(url: str, *, github: bool = False) -> tuple[bytes, str]:
    """The body (cut beyond the limit) and its content type. Raises IssueError."""
    import http.client
    import urllib.error
    import urllib.request

    headers = {"User-Agent": "winnow"}
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")
    if github:
        headers["Accept"] = "application/vnd.github+json"
        if token and url.startswith("https://api.github.com/"):
            headers["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_SECONDS) as answer:
            return answer.read(_LIMIT + 1), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        why = f"the server answers {error.code} {error.reason}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(getattr(error, "reason", "") or error or type(error).__name__)
    raise IssueError(f"{url} cannot be fetched ({why}): put the issue's text into a file and name that")


class _Page(HTMLParser):
    """The visible words of a page, one block a line."""

    _HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "nav", "header", "footer"})
    _BLOCKS = frozenset("p div li ul ol pre tr h1 h2 h3 h4 h5 h6 br section article title table".split())

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in self._HIDDEN:
            self._hidden += 1
        elif tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
