"""A container's standard streams as asyncio streams: one connection that stays open as long as the sandbox lives.

The SDK hands out a blocking socket (and, over TLS, one that asyncio cannot take over), so the one HTTP request that
turns a connection into a raw stream is written here. What comes back is cut into frames of an 8-byte header (stream
number, three zeros, length as big endian) and a body: Docker Engine API, "Attach to a container".
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from .docker_client import Engine
from .protocol import SandboxDied

STDOUT = 1
FRAME_HEADER = 8
READ_AHEAD = 1 << 18  # bytes; a flood of output waits in the container's pipe beyond this

COMPLAINT = 1000  # bytes


class Attached:
    """The container's stdin (send) and stdout (receive). Closing it is what ends the container.

    complaint: the first bytes of its stderr, where the init says why it cannot start the shell; the shell itself is
    silent there.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._left = 0  # bytes still to come of the frame that is being read
        self._stream = STDOUT
        self.complaint = b""

    async def send(self, data: bytes) -> None:
        """Write to the container's stdin. Raises OSError when the connection is gone."""
        if self._writer.transport.is_closing():
            raise BrokenPipeError("the connection to the container is closed")
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """The next bytes of the container's stdout, b"" when the container or the connection ended."""
        while True:
            if not self._left and not await self._next_frame():
                return b""
            try:
                data = await self._reader.read(min(self._left, READ_AHEAD))
            except (ConnectionError, ssl.SSLError):
                return b""
            if not data:
                return b""
            self._left -= len(data)
            if self._stream == STDOUT:
                return data
            self.complaint = (self.complaint + data)[:COMPLAINT]

    async def _next_frame(self) -> bool:
        try:
            header = await self._reader.readexactly(FRAME_HEADER)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return False
        self._stream, self._left = header[0], int.from_bytes(header[4:], "big")
        return True

    def close(self) -> None:
        """Close the connection at once, unsent bytes thrown away: the engine then closes the container's stdin."""
        self._writer.transport.abort()


async def attach(engine: Engine, container: str) -> Attached:
    """Attach to a container that was created but not started, so that nothing it prints is missed."""
    reader, writer = await _open(engine)
    path = f"/v{engine.api.api_version}/containers/{container}/attach?stdin=1&stdout=1&stderr=1&stream=1"
    headers = ("Host: docker", "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 0")
    request = "\r\n".join((f"POST {path} HTTP/1.1", *headers, "", ""))
    try:
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        writer.transport.abort()
        raise SandboxDied("the Docker engine hung up before the container was attached") from error
    except BaseException:
        writer.transport.abort()
        raise
    status = head.split(b" ", 2)[1]
    if status not in (b"101", b"200"):
        writer.transport.abort()
        raise SandboxDied(f"the Docker engine refused to attach the container (HTTP {status.decode()})")
    return Attached(reader, writer)


async def _open(engine: Engine) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if engine.socket is not None:
        return await asyncio.open_unix_connection(engine.socket, limit=READ_AHEAD)
    address = urlsplit(engine.api.base_url)
    context = _tls(engine) if address.scheme == "https" else None
    return await asyncio.open_connection(
        address.hostname, address.port or (2376 if context else 2375), ssl=context, limit=READ_AHEAD
    )


def _tls(engine: Engine) -> ssl.SSLContext:
    """The SDK's own certificates (DOCKER_CERT_PATH, DOCKER_TLS_VERIFY) as asyncio wants them."""
    verify, cert = engine.api.verify, engine.api.cert
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert:
        context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return context
