"""A package index as a build sees it: pages and the files that they link, fetched outside with the user's login.

    /index/PROJECT/       the project's page, its links rewritten
    /links/               a page of links (pip's and uv's find-links)
    /file/ID/NAME         a file that one of these pages linked, and /file/ID/NAME.metadata (PEP 658)

Nothing else can be asked for, and of a request nothing goes on but the headers below: no build can use the user's
login for anything but what the index itself offers.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit, urlunsplit

import h11

from .index_pages import NoPage, is_page, rewritten
from .upstream import Answer, Unreachable, Upstream

_ASKED = (
    "accept",
    "accept-encoding",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "user-agent",
)
"""What of a request goes on."""
_TOLD = (
    "accept-ranges age cache-control content-encoding content-length content-range content-type etag expires "
    "last-modified"
).split()
"""What of an answer goes back."""
_PAGE = 64 << 20
"""Most bytes of a page."""
_PAGES = 8
"""Pages that are read and rewritten at one time."""
_LINKS = 500_000
"""Most files that are remembered: those of the pages that were asked for last."""
_IDLE = 300.0
"""Seconds that a connection may do nothing."""
_PROJECT = re.compile(r"/index/([A-Za-z0-9][A-Za-z0-9._-]*)/?")
_FILE = re.compile(r"/file/([0-9a-f]{24})/([^/?#]+)")


class IndexProxy:
    """Serves one upstream to one build."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._files: OrderedDict[str, str] = OrderedDict()  # by id
        self._pages = asyncio.Semaphore(_PAGES)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request. A sandbox's port leads here."""
        line = _Line(reader, writer)
        while (request := await line.request()) is not None:
            await self._answer(request, line)
            if not line.goes_on():
                return

    async def _answer(self, request: h11.Request, line: _Line) -> None:
        method, path = request.method.decode(), request.target.decode("ascii", "replace")
        if method not in ("GET", "HEAD"):
            await line.say(405, "a package index is only read")
            return
        url, is_file = self._url(path)
        if not url:
            await line.say(404, "the index has not linked this")
            return
        asked = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
        asked = [(name, value) for name, value in asked if name in _ASKED]
        if not is_file:  # it is read here
            asked = [
                (name, value) for name, value in asked if name not in ("accept-encoding", "range", "if-range")
            ]
            asked.append(("Accept-Encoding", "gzip"))
        try:
            async with self._upstream.ask(method, url, asked) as answer:
                await self._pass_on(method, answer, is_file, line)
        except Unreachable as error:
            await line.say(502, str(error))

    def _url(self, path: str) -> tuple[str, bool]:
        """The address that a path of the proxy stands for, "" for none; and whether it is a file."""
        remote = self._upstream.remote
        if remote.page:
            if path == "/links/":
                return remote.url, False
        elif match := _PROJECT.fullmatch(path):
            return f"{remote.base}{match[1]}/", False
        match = _FILE.fullmatch(path)
        if match is None or (url := self._files.get(match[1])) is None:
            return "", True
        own, asked = unquote(_name(url)), unquote(match[2])  # installers quote in their own ways
        if asked == own:
            return url, True
        parts = urlsplit(url)
        return (
            urlunsplit(parts._replace(path=f"{parts.path}.metadata")) if asked == f"{own}.metadata" else ""
        ), True

    def _remember(self, links: dict[str, str]) -> None:
        for key, url in links.items():
            self._files[key] = url
            self._files.move_to_end(key)
        while len(self._files) > _LINKS:
            self._files.popitem(last=False)

    async def _pass_on(self, method: str, answer: Answer, is_file: bool, line: _Line) -> None:
        told = {name: value for name, value in answer.headers.items() if name in _TOLD}
        if answer.status not in (200, 206, 304, 416):
            status = answer.status if 400 <= answer.status < 600 else 502
            await line.say(status, f"the package index answers {answer.status}")
        elif is_file or answer.status == 304:
            await line.stream(answer.status, told, answer.body)
        elif not is_page(told.get("content-type", "")):
            await line.say(502, "the package index answers with something that is no page of an index")
        elif method == "HEAD":
            told = {
                name: value
                for name, value in told.items()
                if name not in ("content-length", "content-encoding")
            }
            await line.stream(200, told, answer.body)
        else:
            try:
                async with self._pages:
                    content = await _whole(answer.body, told.pop("content-encoding", ""))
                    page, links = await asyncio.to_thread(_page, content, told["content-type"], answer.url)
            except NoPage as error:
                await line.say(502, f"the package index cannot be understood: {error}")
                return
            self._remember(links)
            if "json" not in told["content-type"]:
                told["content-type"] = f"{told['content-type'].partition(';')[0]}; charset=utf-8"
            await line.stream(200, {**told, "content-length": str(len(page))}, _once(page))


class _Line:
    """HTTP/1.1 with one program of the build."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 16)
        self._head = False  # HEAD was asked: an answer has no body

    async def request(self) -> h11.Request | None:
        """The next request, without its body: none has one that matters. None at the end."""
        request = None
        try:
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    self._http.receive_data(await asyncio.wait_for(self._reader.read(1 << 16), _IDLE))
                elif isinstance(event, h11.Request):
                    request, self._head = event, event.method == b"HEAD"
                elif isinstance(event, h11.EndOfMessage):
                    return request
                elif not isinstance(event, h11.Data):
                    return None
        except (h11.RemoteProtocolError, TimeoutError):
            return None

    def goes_on(self) -> bool:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def say(self, status: int, sentence: str) -> None:
        """A short answer of the proxy's own."""
        body = f"{sentence}\n".encode()
        told = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
        await self.stream(status, told, _once(body))

    async def stream(self, status: int, headers: dict[str, str], body: AsyncIterator[bytes]) -> None:
        try:
            await self._send(h11.Response(status_code=status, headers=list(headers.items())))
            if not self._head and status != 304:
                async for piece in body:
                    await self._send(h11.Data(data=piece))
            await self._send(h11.EndOfMessage())
        except ConnectionError:
            raise
        except Exception:  # half an answer must not look like a whole one
            self._writer.transport.abort()
            raise ConnectionAbortedError("the answer ended too early") from None

    async def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._writer.write(data)
            await self._writer.drain()


async def _whole(body: AsyncIterator[bytes], encoding: str) -> bytes:
    """A page, unpacked. Raises NoPage."""
    if encoding not in ("", "identity", "gzip", "deflate"):
        raise NoPage("its page is packed in a way that was not asked for")
    unpack = zlib.decompressobj(47) if encoding in ("gzip", "deflate") else None
    content = bytearray()
    try:
        async for piece in body:
            content += unpack.decompress(piece, _PAGE - len(content) + 1) if unpack else piece
            if len(content) > _PAGE:
                raise NoPage(f"its page is larger than {_PAGE >> 20} MB")
    except zlib.error as error:
        raise NoPage("its page is packed wrongly") from error
    return bytes(content)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1 << 16):
        yield content[at : at + (1 << 16)]


def _page(content: bytes, content_type: str, url: str) -> tuple[bytes, dict[str, str]]:
    """A page with paths of this proxy, and the addresses of its files by their ids. Raises NoPage."""
    links: dict[str, str] = {}

    def rename(address: str) -> str:
        try:
            name = _name(address) if address.startswith(("http://", "https://")) else ""
        except ValueError:
            name = ""
        if not name:
            return ""
        key = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        links[key] = address
        return f"/file/{key}/{name}"

    return rewritten(content, content_type, url, rename), links


def _name(url: str) -> str:
    """The last part of an address's path, as it is written there."""
    name = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    return "" if re.search(r"[\s?#\"<>\x00-\x1f]", unquote(name)) or name in (".", "..") else name
