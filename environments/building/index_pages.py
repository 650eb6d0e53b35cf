"""Pages of a package index, rewritten so that every link leads through the proxy: HTML (PEP 503) and JSON (PEP 691)."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

Rename = Callable[[str], str]
"""From the address of a file, absolute and without a fragment, to its path in the proxy; "" for one that has none."""

_HTML = ("text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml")
_JSON = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json")
_KEPT = (
    "data-requires-python",
    "data-yanked",
    "data-core-metadata",
    "data-dist-info-metadata",
    "data-gpg-sig",
)
_NOT_KEPT = ("provenance",)  # an address that is not proxied


class NoPage(Exception):
    """What came is no page of an index."""


def is_page(content_type: str) -> bool:
    return _kind(content_type) in (*_HTML, *_JSON)


def rewritten(content: bytes, content_type: str, url: str, rename: Rename) -> bytes:
    """A page with other addresses for its files. url: where it came from in the end. Raises NoPage."""
    if _kind(content_type) in _JSON:
        return _rewritten_json(content, url, rename)
    charset = content_type.lower().partition("charset=")[2].split(";")[0].strip(" \"'") or "utf-8"
    try:
        text = content.decode(charset, "replace")
    except LookupError:
        text = content.decode("utf-8", "replace")
    page = _Page(url, rename)
    page.feed(text)
    page.close()
    return "\n".join(["<!DOCTYPE html>", *page.meta, *page.anchors, ""]).encode(
        charset if charset == "ascii" else "utf-8", "xmlcharrefreplace"
    )


def _rewritten_json(content: bytes, url: str, rename: Rename) -> bytes:
    try:
        page = json.loads(content)
        files = page["files"]
        kept = []
        for file in files:
            address, fragment = urldefrag(urljoin(url, str(file["url"])))
            if path := rename(address):
                file = {name: value for name, value in file.items() if name not in _NOT_KEPT}
                kept.append({**file, "url": f"{path}#{fragment}" if fragment else path})
        page["files"] = kept
    except (ValueError, KeyError, TypeError) as error:
        raise NoPage("its page cannot be read") from error
    return json.dumps(page).encode()


class _Page(HTMLParser):
    """Takes the links out of a page: nothing else of it matters to an installer."""

    def __init__(self, url: str, rename: Rename) -> None:
        super().__init__()
        self._url, self._rename = url, rename
        self.meta: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(reversed(attrs))
        if tag == "base" and said.get("href"):
            self._url = _joined(self._url, said["href"] or "")
        elif tag == "meta" and (said.get("name") or "").startswith("pypi:"):
            name, content = html.escape(said["name"] or ""), html.escape(said.get("content") or "")
            self.meta.append(f'<meta name="{name}" content="{content}">')
        elif tag == "a" and said.get("href"):
            address, fragment = urldefrag(_joined(self._url, (said["href"] or "").strip()))
            if path := self._rename(address):
                self._add(f"{path}#{fragment}" if fragment else path, path.rpartition("/")[2], said)

    def _add(self, path: str, name: str, said: dict[str, str | None]) -> None:
        kept = "".join(f' {word}="{html.escape(said[word] or "")}"' for word in _KEPT if word in said)
        self.anchors.append(f'<a href="{html.escape(path)}"{kept}>{html.escape(name)}</a><br>')


def _joined(base: str, reference: str) -> str:
    try:
        return urljoin(base, reference)
    except ValueError:  # [ in a host's name, say
        return ""


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
