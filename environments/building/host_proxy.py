"""The hosts that a recipe names, for the steps that need them: an HTTP proxy that leads to these and nowhere else.

CONNECT for https, and requests with a whole address for http. Names are looked up here, and no name leads to an address
of this machine or its network.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from .addresses import Refused, allowed_addresses
from .index import without_login
from .upstream import proxy_for

PORTS = (80, 443)
_HEAD = 1 << 16
_SECONDS = 60.0


class HostProxy:
    """hosts: their names. environ: where the user's own proxies are said. is_open: whether they may be reached now."""

    def __init__(
        self,
        hosts: tuple[str, ...],
        environ: Mapping[str, str],
        is_open: Callable[[], bool] = lambda: True,
    ) -> None:
        self._hosts, self._environ, self._is_open = frozenset(hosts), environ, is_open

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. A sandbox's port leads here."""
        try:
            head = await asyncio.wait_for(_head_of(reader), _SECONDS)
            host, port, first = self._wanted(head)
            there = await asyncio.wait_for(self._connected(host, port), _SECONDS)
        except Refused as error:
            await _say(writer, 403, str(error))
            return
        except (OSError, EOFError, TimeoutError):
            await _say(writer, 502, "the host does not answer")
            return
        if first:
            there[1].write(first)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _joined((reader, writer), there)

    def _wanted(self, head: bytes) -> tuple[str, int, bytes]:
        """(host, port, what it is sent first: nothing for CONNECT). Raises Refused."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3:
            raise Refused("this is no request")
        if not self._is_open():
            raise Refused("no step that installs is running")
        method, target, version = words
        try:
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host, port = (parts.hostname or "").rstrip("."), parts.port or 80
        except ValueError:
            host, port = "", 0
        plain = method != "CONNECT"
        if host not in self._hosts or port not in PORTS or (plain and parts.scheme != "http"):
            raise Refused(
                f"{host[:253] or 'this'} is no host that the recipe names (hosts), at port 80 or 443"
            )
        if not plain:
            return host, port, b""
        path = parts._replace(scheme="", netloc="").geturl() or "/"
        kept = [line for line in lines[1:] if line and not re.match(r"(?i)(proxy-|connection:|host:)", line)]
        first = [f"{method} {path} {version}", f"Host: {host}", "Connection: close", *kept]
        return host, port, ("\r\n".join(first) + "\r\n\r\n").encode("latin-1")

    async def _connected(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        proxy = proxy_for(f"{'https' if port == 443 else 'http'}://{host}:{port}", self._environ)
        if proxy:
            return await _through(proxy, host, port)
        last: OSError = OSError("no address")
        for address in await allowed_addresses(host, port, "public"):
            try:
                return await asyncio.open_connection(address, port)
            except OSError as error:
                last = error
        raise last


async def _through(proxy: str, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """By the user's own proxy, which finds the host itself. Raises OSError."""
    bare, login = without_login(proxy)
    parts = urlsplit(bare)
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or (443 if secure else 80), ssl=secure or None
    )
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    if login is not None:
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(":".join(login).encode()).decode())
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await _head_of(reader)
    if not re.match(rb"HTTP/1\.[01] 2\d\d", answer):
        writer.close()
        raise OSError("the user's proxy refuses")
    return reader, writer


async def _head_of(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise Refused("this is no request") from error
    return head


async def _say(writer: asyncio.StreamWriter, status: int, sentence: str) -> None:
    body = f"{sentence}\n"
    writer.write(
        f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body.encode())}\r\n"
        f"Connection: close\r\n\r\n{body}".encode()
    )
    await writer.drain()


async def _joined(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Carry bytes both ways until both sides have ended."""
    ways = [
        asyncio.ensure_future(_carry(one[0], other[1])),
        asyncio.ensure_future(_carry(other[0], one[1])),
    ]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()
        other[1].close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
