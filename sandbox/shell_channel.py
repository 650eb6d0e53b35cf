"""The channel: one /bin/sh inside a sandbox that stays open, fed with scripts through its stdin.

The shell parses its own stdin (it is not interactive), so a command is a few lines of shell that run the script in
the background: the shell goes on reading, and a time-out is one more line. Nothing else is needed in the image
for commands; files also need cat, head, wc, mkdir and chmod.

What goes over the stream for one command, with a fresh random nonce of 32 hex digits:

    { printf 'NONCE['; ( (cd; export; exec sh /dev/fd/3); exit $? ) 3<<'NONCE' ...; printf 'NONCE]%d;' $?; } &

Everything before `NONCE[` is noise of stray children and dropped; the first NONCE after it ends the output. The
two subshells are there so that a command which kills its parent shell still gets its end marker. A time-out sends
`kill -9 -1` until nobody is left, then `printf 'NONCE!;'`: kill is a builtin, it signals every process of the pid
namespace but the shell itself and init. When stdin ends, a trap does the same: a sandbox ends with its channel.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping

from sandbox.frame import Capture, Frame
from sandbox.protocol import DiskFull, NotThere, Result, SandboxDied, SandboxError

GRACE = 30.0
"""Seconds the shell gets to answer after everything else was killed; then the sandbox counts as dead."""

FILE_TIME = 120.0
"""Seconds for reading or writing one file (one piece of it when written)."""

PIECE = 4 << 20
"""Bytes of a file written by one command: the shell holds a whole command in memory before it runs it."""

KILL = "while kill -9 -1; do jobs >/dev/null; done"
"""Kills everybody else and waits until they are gone and taken from the process table: then kill finds nobody."""

LINE = 32 << 10
"""Bytes given back by one printf."""

# The pid check keeps the channel from ever running `kill -9 -1` outside a pid namespace of its own: the kernel
# hands out no pid below 300 to a new process of a running host. `env --default-signal` undoes what POSIX asks of
# background jobs (SIGINT and SIGQUIT ignored), where the image has it: programs under test expect interrupts.
PROLOGUE = """exec 2>/dev/null
[ $$ -lt 300 ] || { printf '%(nonce)s[no pid namespace of its own%(nonce)s]97;'; exit 97; }
trap 'kill -9 -1' EXIT
umask 022
winnow_defaults=
if winnow_env=$(command -v env) && "$winnow_env" --default-signal=INT,QUIT true
then winnow_defaults="$winnow_env --default-signal=INT,QUIT"; fi
printf '%(nonce)s[%(nonce)s]0;'
"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class ShellChannel:
    """Commands and files over one shell. `send` and `receive` carry bytes; `receive` gives b"" at the end."""

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], receive: Callable[[], Awaitable[bytes]]
    ) -> None:
        self._send_bytes = send
        self._receive = receive
        self._incoming: asyncio.Future[bytes] | None = None
        self._outgoing: asyncio.Future[None] | None = None
        self._lock = asyncio.Lock()
        self._opened = False
        self._tidy = b""
        self.closed = False

    async def open(self, timeout: float = 60.0) -> None:
        """Wait until the shell answers. Called by the first command where nobody did. Raises SandboxDied."""
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
        """Run a /bin/sh script; see `Sandbox.run` in protocol.py. `env` is exported on top of the shell's own.

        timeout in seconds, output_limit in bytes. Raises SandboxDied; SandboxError where the script, a folder or
        a variable cannot be said to a shell (a NUL byte, a bad name).
        """
        nonce = secrets.token_hex(16)
        body = _script(nonce, script, cwd, env or {}, stdin)
        async with self._lock:
            await self._open()
            started = time.monotonic()
            capture = Capture(output_limit)
            code, timed_out = await self._exchange(nonce, body, capture, timeout)
            seconds = time.monotonic() - started
        output, cut = capture.text()
        if timed_out:
            return Result(124, output, "timeout", cut, seconds)
        return Result(code, output, "exited", cut, seconds)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        """The bytes of a regular file, at most `limit`. path: absolute. Raises NotThere, SandboxDied."""
        where = _quoted(path)
        take, size = "cat", f"wc -c <{where}"
        if limit is not None:
            take, size = f"head -c {int(limit)}", f"head -c {int(limit)} <{where} | wc -c"
        # A stray child that prints while the file goes over the stream would mix into it. The size tells; then
        # everybody else is stopped while it is read.
        for pause in (b"", b"kill -STOP -1\n", b"kill -STOP -1\n"):
            nonce = secrets.token_hex(16)
            body = (
                f"{{ if [ -f {where} ]; then S=$({size}); printf '{nonce}[%020d' $S; {take} <{where}; C=$?; "
                f"else printf '{nonce}['; C=66; fi; printf '{nonce}]%d;' $C; }} &\n"
            )
            capture = Capture(None)
            async with self._lock:
                await self._open()
                if pause:
                    self._tidy = b"kill -CONT -1; jobs >/dev/null\n"
                code, timed_out = await self._exchange(nonce, pause + _bytes(body), capture, FILE_TIME)
                if pause:
                    await self._send(b"kill -CONT -1\n", GRACE)
            if timed_out:
                raise SandboxError(f"Reading {path} in the sandbox took more than {FILE_TIME:.0f} s.")
            if code == 66:
                raise NotThere(f"{path} is no regular file in the sandbox.")
            if code != 0:
                raise NotThere(f"{path} cannot be read in the sandbox (no permission, or it went away).")
            told, content = capture.raw()[:20], capture.raw()[20:]
            if told.isdigit() and int(told) == len(content):
                return content
        raise SandboxError(f"{path} changes while it is read: its size never matched what was read.")

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file, its folders made where missing. path: absolute.

        Raises SandboxError (a folder, no permission), DiskFull, SandboxDied.
        """
        where = _quoted(path)
        folder = _quoted(path.rpartition("/")[0] or "/")
        pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)] or [b""]
        for index, piece in enumerate(pieces):
            redirect, first, last = (">>", "", "") if index else (">", f"mkdir -p {folder} && ", "")
            if index == len(pieces) - 1:
                last = f" && chmod {mode:o} {where}"
            nonce = secrets.token_hex(16)
            start = f"{{ printf '{nonce}['; {{ {first}{{\n"
            stop = f"}} {redirect}{where}{last}; }} 2>&1; printf '{nonce}]%d;' $?; }} &\n"
            body = b"".join((_bytes(start), *_printed(piece), _bytes(stop)))
            capture = Capture(4096)
            async with self._lock:
                await self._open()
                code, timed_out = await self._exchange(nonce, body, capture, FILE_TIME)
            if timed_out:
                raise SandboxError(f"Writing {path} in the sandbox took more than {FILE_TIME:.0f} s.")
            if code != 0:
                said = " ".join(capture.text()[0].split()) or f"exit code {code}"
                # Some shells' printf names no reason, so a program is asked for one in its place.
                why = await self.run(
                    f"LC_ALL=C; export LC_ALL; head -c 100000 /dev/zero >>{where}", timeout=GRACE
                )
                if "No space left" in said + why.output:
                    raise DiskFull(f"Writing {path} in the sandbox failed: its disk is full.")
                raise SandboxError(f"Writing {path} in the sandbox failed: {said}.")

    async def kill_all(self) -> None:
        """Kill every process of the sandbox but the shell and init; wait for the shell's word that it did."""
        async with self._lock:
            await self._open()
            nonce = secrets.token_hex(16)
            body = f"{KILL}; printf '{nonce}[{nonce}]0;'\n".encode()
            await self._exchange(nonce, body, Capture(0), GRACE)

    async def abandon(self) -> None:
        """Let go of the stream, so that it can be closed: whoever still waits on it gets SandboxDied."""
        self.closed = True
        tasks = [task for task in (self._incoming, self._outgoing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, timeout: float = 60.0) -> None:
        if self._opened:
            return
        nonce = secrets.token_hex(16)
        said = Capture(4096)
        code, late = await self._exchange(nonce, (PROLOGUE % {"nonce": nonce}).encode(), said, timeout)
        if code or late:
            self.closed = True
            raise SandboxDied(f"The sandbox's shell did not start: {said.text()[0] or 'no answer'}.")
        self._opened = True

    async def _exchange(self, nonce: str, body: bytes, capture: Capture, timeout: float) -> tuple[int, bool]:
        """Send one command and take its output in. -> (exit code, whether it had to be killed)."""
        frame = Frame(nonce, capture)
        tidy, self._tidy = self._tidy, b"jobs >/dev/null\n"
        started = time.monotonic()
        try:
            await self._send(tidy + body, timeout + GRACE)
            if await self._until(frame, started + timeout):
                return frame.code, False
            frame.expect_kill()
            await self._send(f"{KILL}; printf '{nonce}!;'\n".encode(), GRACE)
            if await self._until(frame, time.monotonic() + GRACE):
                return frame.code, True
        except asyncio.CancelledError:
            # The command goes on without us; the next one, or the end of the stream, takes it away.
            self._tidy = f"{KILL}\n".encode()
            raise
        self.closed = True
        raise SandboxDied(f"The sandbox's shell did not answer within {GRACE:.0f} s of a kill.")

    async def _until(self, frame: Frame, deadline: float) -> bool:
        """Feed the frame until it is complete (True) or the deadline, in monotonic seconds, passes (False)."""
        while not frame.done:
            if self._incoming is None:
                self._incoming = asyncio.ensure_future(self._receive())
            # Never cancelled: what it already took off the stream would be lost.
            await asyncio.wait({self._incoming}, timeout=max(0.0, deadline - time.monotonic()))
            if not self._incoming.done():
                return False
            task, self._incoming = self._incoming, None
            gone = task.cancelled() or isinstance(task.exception(), OSError)
            chunk = b"" if gone else task.result()
            if not chunk:
                self.closed = True
                raise SandboxDied("The sandbox ended while it was in use: its shell is gone.")
            frame.feed(chunk)
        return True

    async def _send(self, data: bytes, timeout: float) -> None:
        """Hand over bytes, whole, even where the caller is cancelled: half a line would spoil the next."""
        if self._outgoing is not None and not self._outgoing.done():
            await asyncio.wait({self._outgoing}, timeout=timeout)
        if self.closed:
            raise SandboxDied("The sandbox has ended: its shell is gone.")
        self._outgoing = asyncio.ensure_future(self._send_bytes(data))
        await asyncio.wait({self._outgoing}, timeout=timeout)
        why: object = "its shell reads no more"
        if self._outgoing.done() and not self._outgoing.cancelled():
            why = self._outgoing.exception()
        if why is not None:
            self.closed = True
            if isinstance(why, BaseException) and not isinstance(why, OSError):
                raise why
            raise SandboxDied(f"The sandbox has ended: its shell takes no more commands ({why}).")


def _script(nonce: str, script: str, cwd: str | None, env: Mapping[str, str], stdin: bytes) -> bytes:
    """The lines that run one command. Its script travels as a here-document, so it has no length limit."""
    text = _bytes(script)
    if b"\0" in text:
        raise SandboxError("A script with a NUL byte cannot be run by a shell: take the byte out.")
    enter = ""
    if cwd:
        there = _quoted(cwd)
        enter = f"cd {there} 2>/dev/null || {{ printf 'cannot enter the folder %s\\n' {there}; exit 126; }}; "
    exports = "".join(f"export {_name(name)}={_quoted(value)}; " for name, value in env.items())
    source = "</dev/null" if not stdin else ""
    # fd 3 is closed by the script's own first line, or its children would inherit it.
    inner = f"{enter}unset OLDPWD; {exports}exec $winnow_defaults /bin/sh /dev/fd/3"
    head = (
        f"{{ printf '{nonce}['; ( ( {inner} ) 2>&1; exit $? ) 3<<'{nonce}' {source}; "
        f"printf '{nonce}]%d;' $?; }} &\nexec 3<&-; "
    )
    before = (b"{\n", *_printed(stdin), b"} | ") if stdin else ()
    end = b"" if text.endswith(b"\n") else b"\n"
    return b"".join((*before, _bytes(head), text, end, nonce.encode(), b"\n"))


def _printed(content: bytes) -> list[bytes]:
    """Lines of `printf`, one command list, that give these bytes back with any shell's builtin printf."""
    if not content:
        return [b":\n"]
    lines = [_printf(content[at : at + LINE]) for at in range(0, len(content), LINE)]
    return [line + b" &&\n" for line in lines[:-1]] + [lines[-1] + b"\n"]


# As text, because only there one byte may become several. printf reads its escapes before its conversions, so a
# percent sign is doubled, not written in octal.
_ESCAPES = {byte: f"\\{byte:03o}" for byte in (*range(9), *range(11, 32), *range(127, 256), ord("'"))}
_ESCAPES |= {ord("%"): "%%", ord("\\"): "\\\\"}


def _printf(piece: bytes) -> bytes:
    text = piece.decode("latin-1").translate(_ESCAPES)
    if text.startswith("-"):
        text = "\\055" + text[1:]
    return f"printf '{text}'".encode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    if "\0" in text:
        raise SandboxError("A path or variable with a NUL byte cannot be said to a shell: take the byte out.")
    return shlex.quote(text)


def _name(name: str) -> str:
    if not _NAME.match(name):
        raise SandboxError(f"{name!r} is no name of an environment variable a shell can export: rename it.")
    return name
