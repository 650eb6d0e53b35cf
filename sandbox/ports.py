"""Ports of a sandbox's loopback that are forwarded to handlers of this process; see sandbox/inside/ports.py.

A connection is an asyncio transport over the frames of the sandbox's channel, so a handler gets the usual reader and
writer. What comes from inside is from a process that could have been subverted: whoever does not keep to wire.py's
rules ends the sandbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .inside import wire
from .protocol import NoPorts, World

PortHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What serves one connection; it is over when the handler returns."""

AT_ONCE = 1 << 20
"""Most bytes that are handed to the channel in one piece, so that a request never waits long for its turn."""

_log = logging.getLogger(__name__)


class Ports:
    """All connections of one sandbox. send: hands bytes to the channel, whole; it may raise SandboxDied."""

    def __init__(self, send: Callable[[bytearray], Awaitable[None]]) -> None:
        self.handlers: dict[int, PortHandler] = {}
        self._send_bytes = send
        self._connections: dict[int, _Connection] = {}
        self._last = 0
        self._unsent = bytearray()
        self._sending: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()

    def take(self, kind: bytes, number: int, fields: list[bytes]) -> None:
        """A frame from inside. Raises wire.Malformed."""
        try:
            if kind == wire.OPEN:
                (port,) = fields
                self._open(number, wire.integer(port, 65535))
                return
            connection = self._connections[number]
            if kind in (wire.BYTES, wire.TAKEN):
                (field,) = fields
                connection.take_bytes(field) if kind == wire.BYTES else connection.take_credit(field)
            elif fields:
                raise wire.Malformed("an end with a field")
            elif kind == wire.END:
                connection.take_end()
            else:
                connection.take_gone()
        except (KeyError, ValueError) as error:
            raise wire.Malformed("a connection that is not there, or says too much") from error

    def _open(self, number: int, port: int) -> None:
        if number <= self._last or len(self._connections) >= wire.CONNECTIONS:
            raise wire.Malformed("too many connections")
        handler = self.handlers[port]
        self._last = number
        reader = asyncio.StreamReader(limit=wire.WINDOW // 4)
        protocol = asyncio.StreamReaderProtocol(reader)
        connection = self._connections[number] = _Connection(self, number, port, protocol)
        protocol.connection_made(connection)
        writer = asyncio.StreamWriter(connection, protocol, reader, asyncio.get_running_loop())
        serving = asyncio.create_task(_serve(handler, reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    def say(self, kind: bytes, number: int, *fields: bytes) -> None:
        self._unsent += wire.frame(kind, number, *fields)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    def forget(self, number: int) -> None:
        self._connections.pop(number, None)

    async def _send(self) -> None:
        try:
            while self._unsent:
                data, self._unsent = self._unsent[:AT_ONCE], self._unsent[AT_ONCE:]
                await self._send_bytes(data)
                await asyncio.sleep(0)  # requests that wait go first
        except Exception as error:  # the sandbox has died: whoever asks it next is told so
            _log.debug("no frames can be sent any more: %s", error)
            self.cut()

    def cut(self) -> None:
        """The sandbox is gone, and every connection with it."""
        for connection in list(self._connections.values()):
            connection.cut()
        self._connections.clear()

    async def close(self) -> None:
        """Cut all connections and wait until no handler runs any more."""
        self.cut()
        tasks = [*self._serving, *([self._sending] if self._sending else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Connection(asyncio.Transport):
    """One connection, seen from a handler. Its rules are those of wire.py, its methods those of every transport."""

    def __init__(self, ports: Ports, number: int, port: int, protocol: asyncio.StreamReaderProtocol) -> None:
        super().__init__({"peername": ("sandbox", port)})
        self._ports, self._number, self._protocol = ports, number, protocol
        self._credit = wire.WINDOW  # bytes that may still go inside
        self._unsent = bytearray()  # what goes when there is credit again
        self._waits = False  # the protocol was told to pause
        self._theirs = 0  # bytes that came and whose taking was not told yet
        self._held = bytearray()  # what came while reading was paused
        self._reads, self._heard, self._told = True, False, False
        self._ended, self._end_sent = False, False
        self._closing, self._gone = False, False

    # From inside

    def take_bytes(self, data: bytes) -> None:
        self._theirs += len(data)
        if self._heard or self._theirs > wire.WINDOW:
            raise wire.Malformed("more bytes than may come")
        if self._gone:
            self._theirs -= len(data)
        elif self._reads and not self._held:
            self._protocol.data_received(data)
            self._count_taken()
        else:
            self._held += data

    def take_credit(self, field: bytes) -> None:
        if not field:
            raise wire.Malformed("no credit")
        self._credit += wire.integer(field, wire.WINDOW)
        if self._credit > wire.WINDOW:
            raise wire.Malformed("more taken than was sent")
        if not self._gone:
            self._flush()

    def take_end(self) -> None:
        if self._heard:
            raise wire.Malformed("a second end")
        self._heard = True
        self._tell_end()

    def take_gone(self) -> None:
        if not self._gone:
            cut = not self._heard or bool(self._unsent)
            if self._held and not cut:
                self._protocol.data_received(bytes(self._held))
            self._lose(ConnectionResetError("the program in the sandbox cut the connection") if cut else None)
        self._ports.forget(self._number)

    def _tell_end(self) -> None:
        if self._heard and not (self._told or self._held or self._gone):
            self._told = True
            self._protocol.eof_received()

    def _count_taken(self) -> None:
        waiting = len(self._held)
        if self._theirs - waiting >= wire.WINDOW // 2:
            self._ports.say(wire.TAKEN, self._number, b"%d" % (self._theirs - waiting))
            self._theirs = waiting

    # The transport

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def is_reading(self) -> bool:
        return self._reads

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True
        while self._held and self._reads and not self._gone:
            data = bytes(self._held[: wire.WINDOW // 4])
            del self._held[: len(data)]
            self._protocol.data_received(data)
        if not self._gone:
            self._count_taken()
            self._tell_end()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._ended or self._gone:
            return
        self._unsent += data
        self._flush()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._ended = True
        self._flush()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def is_closing(self) -> bool:
        return self._gone or self._closing

    def close(self) -> None:
        """What was written still goes inside; nothing more is read."""
        if self._gone:
            return
        self._ended = self._closing = True
        self._flush()

    def abort(self) -> None:
        if not self._gone:
            self._lose(None)

    def cut(self) -> None:
        """Without a word to the inside, which is not there any more."""
        if not self._gone:
            self._gone = True
            self._protocol.connection_lost(ConnectionResetError("the sandbox has ended"))

    def _flush(self) -> None:
        while self._unsent and self._credit:
            piece = bytes(self._unsent[: min(self._credit, 1 << 16)])
            del self._unsent[: len(piece)]
            self._credit -= len(piece)
            self._ports.say(wire.BYTES, self._number, piece)
        if bool(self._unsent) != self._waits:
            self._waits = not self._waits
            (self._protocol.pause_writing if self._waits else self._protocol.resume_writing)()
        if self._ended and not self._unsent and not self._end_sent:
            self._end_sent = True
            self._ports.say(wire.END, self._number)
        if self._closing and self._end_sent:
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        self._gone = True
        self._unsent.clear()
        self._held.clear()
        self._ports.say(wire.GONE, self._number)
        self._protocol.connection_lost(error)


async def _serve(handler: PortHandler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await handler(reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the program inside cut it
    except Exception:
        _log.exception("the handler of a sandbox's port failed")
    finally:
        writer.close()


def check_network(world: World) -> None:
    """Raises NoPorts where a port would be one of the host's own loopback."""
    if world.network == "host":
        raise NoPorts("A sandbox with the host's network cannot forward ports: give it none of the host's.")


def checked_ports(handlers: Mapping[int, PortHandler]) -> dict[int, PortHandler]:
    """Raises ValueError for what is no port that any user may listen at."""
    if wrong := [port for port in handlers if not 1024 <= port <= 65535]:
        raise ValueError(f"{wrong[0]} is no port that a sandbox can forward: choose one from 1024 to 65535")
    return dict(handlers)
