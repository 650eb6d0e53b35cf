"""Winnow's side of the exec server: commands and files over one stream to the first process of a sandbox.

What comes back is from a process that could have been subverted, so it is parsed with bounds and believed about
nothing but the command's own end. Time-outs are decided here.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from .frame import shown
from .inside import wire
from .ports import PortHandler, Ports, checked_ports
from .protocol import CannotStart, DiskFull, NotThere, Result, SandboxDied, SandboxError

GRACE = 60.0
"""Seconds the server gets to answer after everything was killed; then the sandbox counts as dead."""

FILE_TIME = 120.0
"""Seconds for reading a file, or writing one piece of it."""

AT_ONCE = 16
"""Pieces of a file that are sent before the first answer is waited for."""

LARGEST = 1 << 30
"""Bytes of a file that is read without a limit."""

KILLED = 137
"""Exit code of a command that was killed: 128 + SIGKILL, as a shell says it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class ExecChannel:
    """Commands and files. `send` and `receive` carry bytes; `receive` gives b"" at the end, both may raise OSError."""

    def __init__(
        self, send: Callable[[bytes | bytearray], Awaitable[None]], receive: Callable[[], Awaitable[bytes]]
    ) -> None:
        self._send_bytes = send
        self._receive = receive
        self._frames = wire.Frames()
        self._waiting: deque[tuple[bytes, int, list[bytes]]] = deque()
        self._ports: Ports | None = None
        self._death: SandboxDied | None = None
        self._incoming: asyncio.Future[bytes] | None = None
        self._outgoing: asyncio.Future[None] | None = None
        self._lock = asyncio.Lock()
        self._number = 0
        self._running: int | None = None
        self._stopped: tuple[Literal["memory", "disk"], str] | None = None
        self._opened = False
        self.closed = False

    async def open(self, timeout: float = 60.0) -> None:
        """Wait for the server's word that it serves. Called by the first request where nobody did.

        Raises SandboxDied; CannotStart where the sandbox has no /bin/sh.
        """
        async with self._lock:
            await self._open(timeout)

    async def run(
        self,
        script: str,
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        output_limit: int = 1 << 20,
    ) -> Result:
        """Run a /bin/sh script; see `Sandbox.run` in protocol.py. env: the whole environment but PWD.

        timeout in seconds, output_limit in bytes. Raises SandboxDied (with what the command had printed as a note);
        SandboxError where the script, the folder or a variable cannot be said, or is too large.
        """
        folder = posixpath.normpath(cwd or "/")
        variables = {"PWD": folder, **(env or {})}
        words = [b"%s=%s" % (_bytes(_name(name)), _bytes(value)) for name, value in variables.items()]
        text = _bytes(script)
        puts = [(wire.STDIN, stdin)]
        if len(text) > wire.INLINE:
            puts.append((wire.SCRIPT, b"exec 3<&-; " + text))
            text = b""
        async with self._lock:
            await self._open()
            number = self._next()
            request = [
                wire.frame(wire.PUT, number, slot, piece) for slot, all_ in puts for piece in _pieces(all_)
            ]
            request.append(_request(wire.RUN, number, _bytes(folder), b"%d" % output_limit, text, *words))
            started = time.monotonic()
            output = _Output(output_limit)
            self._running, self._stopped = number, None
            try:
                code, cut, killed, late = await self._finish(number, b"".join(request), output, timeout)
            except SandboxDied as death:
                if output.head:
                    death.add_note(
                        f"The command had printed: {output.head[-2000:].decode('utf-8', 'replace')}"
                    )
                raise
            except _Failed as failed:
                if failed.why == wire.REFUSED:
                    raise SandboxError(f"The command cannot be started: {failed.text}.") from None
                raise self._died(f"no process can be started in it any more ({failed.text})") from None
            finally:
                self._running = None
            seconds = time.monotonic() - started
            stopped = self._stopped
        shown_text, cut = shown(bytes(output.head), bytes(output.tail), cut)
        if killed and stopped is not None:
            return Result(KILLED, with_line(shown_text, stopped[1]), stopped[0], cut, seconds)
        if killed and late:
            return Result(124, shown_text, "timeout", cut, seconds)
        return Result(code, shown_text, "exited", cut, seconds)

    async def stop(self, ended: Literal["memory", "disk"], line: str) -> None:
        """Kill everything because a limit was passed; the command that runs ends so, `line` its output's last.

        Raises SandboxDied.
        """
        if self._running is None:
            await self.kill_all()
            return
        self._stopped = (ended, line)
        await self._send(wire.frame(wire.KILL, self._running), GRACE)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        """The bytes of a regular file, at most `limit`. path: absolute. Raises NotThere, SandboxDied."""
        most = LARGEST if limit is None else limit
        asked = b"" if limit is None else b"%d" % limit
        taken = _Taken(most, f"{path} is larger than {most >> 20} MB: read it with a limit.")
        async with self._lock:
            await self._open()
            number = self._next()
            try:
                *_, late = await self._finish(
                    number, _request(wire.READ, number, _bytes(path), asked), taken, FILE_TIME
                )
            except _Failed as failed:
                if failed.why == wire.NOT_THERE:
                    raise NotThere(f"{path} is no regular file that can be read in the sandbox.") from None
                raise SandboxError(f"Reading {path} in the sandbox failed: {failed.text}.") from None
        if late:
            raise SandboxError(f"Reading {path} in the sandbox took more than {FILE_TIME:.0f} s.")
        return bytes(taken.content)

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file, its folders made where missing. path: absolute.

        Raises SandboxError (a folder, no permission), DiskFull, SandboxDied.
        """
        pieces = _pieces(content) or [b""]
        where = _bytes(path)
        async with self._lock:
            await self._open()
            for start in range(0, len(pieces), AT_ONCE):
                numbered = {}
                for index in range(start, min(start + AT_ONCE, len(pieces))):
                    append, more = b"%d" % (index > 0), b"%d" % (index + 1 < len(pieces))
                    fields = (where, b"%d" % mode, pieces[index], append, more)
                    number = self._next()
                    numbered[number] = _request(wire.WRITE, number, *fields)
                await self._write(path, numbered)

    async def _write(self, path: str, requests: Mapping[int, bytes]) -> None:
        """Send pieces of a file and wait for the word on each: the first that fails is the news."""
        rest = b"".join(requests.values())
        for number in requests:
            try:
                *_, late = await self._finish(number, rest, None, FILE_TIME)
            except _Failed as failed:
                if failed.why == wire.FULL:
                    raise DiskFull(f"Writing {path} in the sandbox failed: its disk is full.") from None
                raise SandboxError(f"Writing {path} in the sandbox failed: {failed.text}.") from None
            if late:
                raise SandboxError(f"Writing {path} in the sandbox took more than {FILE_TIME:.0f} s.")
            rest = b""

    async def kill_all(self) -> None:
        """Kill every process of the sandbox but the server, and wait until they are gone. Raises SandboxDied."""
        async with self._lock:
            await self._open()
            number = self._next()
            try:
                *_, late = await self._finish(number, _request(wire.KILL_ALL, number), None, GRACE)
            except _Failed as failed:
                raise self._died(f"{failed.text}") from None
            if late:
                raise self._died(f"its server did not answer within {GRACE:.0f} s")

    async def forward(self, ports: Mapping[int, PortHandler]) -> None:
        """Forward ports of the sandbox's loopback to handlers here; see `Sandbox.forward` in protocol.py."""
        handlers = checked_ports(ports)
        async with self._lock:
            await self._open()
            if self._ports is None:
                self._ports = Ports(lambda data: self._send(data, GRACE))
            self._ports.handlers |= handlers
            number = self._next()
            request = _request(wire.LISTEN, number, *(b"%d" % port for port in handlers))
            try:
                *_, late = await self._finish(number, request, None, GRACE)
            except _Failed as failed:
                raise SandboxError(f"The sandbox cannot forward its ports: {failed.text}.") from None
            if late:
                raise self._died(f"its server did not answer within {GRACE:.0f} s")
            self._receive_on()

    async def abandon(self) -> None:
        """Let go of the stream, so that it can be closed: whoever still waits on it gets SandboxDied."""
        self.closed = True
        if self._ports is not None:
            await self._ports.close()
        tasks = [task for task in (self._incoming, self._outgoing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, timeout: float = 60.0) -> None:
        if self._opened:
            return
        answer = await self._next_frame(time.monotonic() + timeout)
        if answer is None:
            raise self._died(f"its server did not start within {timeout:.0f} s")
        kind, _, fields = answer
        if kind == wire.FAILED:
            raise self._died(b" ".join(fields[1:]).decode("utf-8", "replace"))
        if kind != wire.HELLO or fields not in ([b"0"], [b"1"]):
            raise self._died("its server spoke another language")
        if fields == [b"0"]:
            raise CannotStart("The sandbox's root file system has no /bin/sh: choose another image.")
        self._opened = True

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _finish(
        self, number: int, request: bytes, into: _Output | _Taken | None, timeout: float
    ) -> tuple[int, int, bool, bool]:
        """Send a request and take its answer in. -> (exit code, bytes cut, whether it was killed, or its time over)

        A request that is cancelled goes on in the sandbox until the next one, which ends it there.
        """
        deadline = time.monotonic() + timeout
        late = False
        if request:
            await self._send(request, timeout + GRACE)
        while True:
            answer = await self._next_frame(deadline)
            if answer is None:
                if late:
                    raise self._died(f"its server did not answer within {GRACE:.0f} s of a kill")
                late, deadline = True, time.monotonic() + GRACE
                if not isinstance(into, _Output):
                    return 0, 0, False, True
                await self._send(wire.frame(wire.KILL, number), GRACE)
                continue
            kind, about, fields = answer
            if about < number:
                continue  # of a request that was cancelled
            try:
                if about > number:
                    raise wire.Malformed("an answer to what was not asked")
                if (done := _taken_in(kind, fields, into)) is not None:
                    return *done, late
            except (wire.Malformed, ValueError, TypeError) as error:
                raise self._died(f"its server spoke another language ({error})") from error

    async def _next_frame(self, deadline: float) -> tuple[bytes, int, list[bytes]] | None:
        """The next frame; None when the deadline, in monotonic seconds, passes before it is whole."""
        while not self._waiting:
            if self._death is not None:
                raise self._death
            incoming = self._receive_on()
            if not incoming.done():
                # Never cancelled: what it already took off the stream would be lost.
                await asyncio.wait({incoming}, timeout=max(0.0, deadline - time.monotonic()))
                if not incoming.done():
                    return None
            self._take_in()
            if not self._waiting and time.monotonic() > deadline:
                return None
        frame = self._waiting.popleft()
        if self._ports is not None and not self._waiting:
            self._receive_on()
        return frame

    def _receive_on(self) -> asyncio.Future[bytes]:
        if self._incoming is None:
            self._incoming = asyncio.ensure_future(self._receive())
            if self._ports is not None:
                self._incoming.add_done_callback(self._go_on)
        return self._incoming

    def _go_on(self, _: object) -> None:
        """With ports, what comes is taken in also while nobody waits for an answer, up to the next answer."""
        try:
            self._take_in()
        except SandboxDied as death:
            self._death = death  # for whoever asks next
            return
        if not self._waiting and not self.closed:
            self._receive_on()

    def _take_in(self) -> None:
        """Sort what was received: answers to wait, the ports' own to them. Raises SandboxDied."""
        if self._incoming is None or not self._incoming.done():
            return
        task, self._incoming = self._incoming, None
        gone = task.cancelled() or isinstance(task.exception(), OSError)
        chunk = b"" if gone else task.result()
        if not chunk:
            raise self._died("its first process ended while it was in use")
        try:
            for frame in self._frames.feed(chunk):
                if frame[0] not in wire.OF_PORTS or self._ports is None:
                    self._waiting.append(frame)
                else:
                    self._ports.take(*frame)
        except wire.Malformed as error:
            raise self._died(f"its server spoke another language ({error})") from error

    async def _send(self, data: bytes | bytearray, timeout: float) -> None:
        """Hand over bytes, whole, even where the caller is cancelled: half a frame would spoil the next."""
        while self._outgoing is not None and not self._outgoing.done():
            await asyncio.wait({self._outgoing}, timeout=timeout)
        if self.closed:
            raise SandboxDied("The sandbox has ended.")
        sending = self._outgoing = asyncio.ensure_future(self._send_bytes(data))
        await asyncio.wait({sending}, timeout=timeout)
        if not sending.done():
            raise self._died("its server reads no more")
        why = None if sending.cancelled() else sending.exception()
        if sending.cancelled() or isinstance(why, OSError):
            raise self._died("its server takes no more requests")
        if why is not None:
            self.closed = True
            raise why

    def _died(self, why: str) -> SandboxDied:
        self.closed = True
        if self._ports is not None:
            self._ports.cut()
        return SandboxDied(f"The sandbox has died: {why}.")


def with_line(output: str, line: str) -> str:
    """Output with a last line that says why it ends."""
    return f"{output}{'' if not output or output.endswith(chr(10)) else chr(10)}{line}\n"


class _Failed(SandboxError):
    """The server's word that it could not do what was asked."""

    def __init__(self, why: bytes, text: str) -> None:
        super().__init__(text)
        self.why, self.text = why, text


class _Output:
    """What of a command's output was kept, never more than was asked for."""

    def __init__(self, limit: int) -> None:
        self.head, self.tail = bytearray(), bytearray()
        self._most_head, self._most_tail = limit - limit // 2 + 1000, limit // 2

    def take(self, kind: bytes, data: bytes) -> None:
        part, most = (self.head, self._most_head) if kind == wire.DATA else (self.tail, self._most_tail)
        part += data
        if len(part) > most:
            raise wire.Malformed("more output than asked for")


class _Taken:
    """A file's bytes."""

    def __init__(self, most: int, too_large: str) -> None:
        self.content = bytearray()
        self._most, self._too_large = most, too_large

    def take(self, kind: bytes, data: bytes) -> None:
        self.content += data
        if kind != wire.DATA:
            raise wire.Malformed("no part of a file")
        if len(self.content) > self._most:
            raise SandboxError(self._too_large)


def _taken_in(
    kind: bytes, fields: list[bytes], into: _Output | _Taken | None
) -> tuple[int, int, bool] | None:
    """Take one answer in. -> (exit code, bytes cut, killed) when it was the last. Raises Malformed, _Failed."""
    if kind == wire.FAILED:
        why, text = fields
        raise _Failed(why, text[:500].decode("utf-8", "replace"))
    if kind == wire.DONE:
        code, cut, killed = fields
        return wire.integer(code, 255), wire.integer(cut), killed == b"1"
    if kind not in (wire.DATA, wire.TAIL) or into is None:
        raise wire.Malformed("an answer of another kind")
    (data,) = fields
    into.take(kind, data)
    return None


def _request(kind: bytes, number: int, *fields: bytes) -> bytes:
    if sum(map(len, fields)) + 8 * len(fields) > wire.MOST - 100:
        raise SandboxError(
            "The environment of a command is larger than 8 MB: no process can have one so large."
        )
    return wire.frame(kind, number, *fields)


def _pieces(content: bytes) -> list[bytes]:
    return [content[at : at + wire.PIECE] for at in range(0, len(content), wire.PIECE)]


def _bytes(text: str) -> bytes:
    said = text.encode("utf-8", "surrogateescape")
    if b"\0" in said:
        raise SandboxError(
            "A NUL byte cannot be said to a shell, in a script, path or variable: take it out."
        )
    return said


def _name(name: str) -> str:
    if not _NAME.match(name):
        raise SandboxError(f"{name!r} is no name of an environment variable a shell can export: rename it.")
    return name
