"""Winnow's side of the exec server: frames however they are split, and servers that do not keep to the rules."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import wait_until_async

from sandbox import CannotStart, DiskFull, NotThere, SandboxDied, SandboxError, exec_channel
from sandbox.exec_channel import ExecChannel, with_line
from sandbox.inside import wire
from sandbox.inside.output import Output
from sandbox.ports import Ports

FRAME = st.tuples(
    st.binary(min_size=1, max_size=1), st.integers(0, 2**32 - 1), st.lists(st.binary(max_size=40), max_size=5)
)


@given(frames=st.lists(FRAME, max_size=6), cuts=st.lists(st.integers(0, 600), max_size=12))
def test_frames_come_back_however_they_are_split(frames, cuts):
    stream = b"".join(wire.frame(kind, number, *fields) for kind, number, fields in frames)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    parser, found = wire.Frames(), []
    for start, end in zip(edges, edges[1:], strict=False):
        found += parser.feed(stream[start:end])
    assert found == frames


@given(noise=st.binary(max_size=200))
def test_noise_is_malformed_or_waited_for_never_anything_else(noise):
    parser = wire.Frames(most=1000)
    try:
        for kind, number, fields in parser.feed(noise):
            assert len(kind) == 1 and 0 <= number < 2**32
            assert sum(map(len, fields)) <= len(noise)
    except wire.Malformed:
        pass


@pytest.mark.parametrize(
    "stream",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        (wire.MOST + 1).to_bytes(4, "big"),
        b"\0\0\0\x0aD\0\0\0\x01\0\0\0\x09x",
        b"\0\0\0\x07D\0\0\0\x01\0\0",
    ],
)
def test_a_frame_that_lies_about_its_length_is_refused(stream):
    with pytest.raises(wire.Malformed):
        wire.Frames().feed(stream)


@pytest.mark.parametrize("field", [b"", b"-1", b"+1", b" 1", b"1_0", b"x", b"9" * 21, "٣".encode(), b"256"])
def test_numbers_are_plain_digits(field):
    with pytest.raises(wire.Malformed):
        wire.integer(field, 255)


class Fake:
    """A server that says what a test wants. received: the frames it was sent."""

    def __init__(self, *answers, hello=(b"1",)):
        self._answers = list(answers)
        self._parser, self.received = wire.Frames(), []
        ours, self._theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        for end in (ours, self._theirs):
            end.setblocking(False)
        self.channel = ExecChannel(
            lambda data: loop.sock_sendall(ours, data), lambda: loop.sock_recv(ours, 65536)
        )
        self._ours, self._loop = ours, loop
        self._theirs.send(wire.frame(wire.HELLO, 0, *hello))
        self._task = asyncio.ensure_future(self._serve())

    async def _serve(self):
        while data := await self._loop.sock_recv(self._theirs, 65536):
            for frame in self._parser.feed(data):
                self.received.append(frame)
                if frame[0] != wire.PUT and self._answers:
                    answer = self._answers.pop(0)
                    await self._loop.sock_sendall(
                        self._theirs, answer(frame[1]) if callable(answer) else answer
                    )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.channel.abandon()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._ours.close()
        self._theirs.close()


def done(code=b"0", cut=b"0", killed=b"0"):
    return lambda number: wire.frame(wire.DONE, number, code, cut, killed)


def data(*pieces, kind=wire.DATA):
    return lambda number: b"".join(wire.frame(kind, number, piece) for piece in pieces) + done()(number)


LIES = {
    "noise": b"\xff\xfe noise",
    "a wrong kind": lambda n: wire.frame(b"?", n, b""),
    "an exit code of 256": done(b"256"),
    "an exit code that is no number": done(b"-1"),
    "a cut that is no number": done(b"0", b"many"),
    "too few fields": lambda n: wire.frame(wire.DONE, n),
    "too many fields": lambda n: wire.frame(wire.DATA, n, b"", b""),
    "too much output": data(b"x" * 10_000),
    "too much of the end": data(b"x" * 10_000, kind=wire.TAIL),
    "an answer to what was not asked": lambda n: wire.frame(wire.DONE, n + 1, b"0", b"0", b"0"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_server_that_speaks_another_language_is_a_death(lie):
    async with Fake(lie) as fake:
        with pytest.raises(SandboxDied, match="another language"):
            await fake.channel.run("true", timeout=20, output_limit=1000)
        assert fake.channel.closed
        with pytest.raises(SandboxDied):
            await fake.channel.read("/x")


async def test_a_file_is_never_longer_than_was_asked_for(monkeypatch):
    async with Fake(data(b"12345", b"67890")) as fake:
        with pytest.raises(SandboxError):
            await fake.channel.read("/x", 9)
    monkeypatch.setattr(exec_channel, "LARGEST", 8)
    async with Fake(data(b"12345", b"67890"), data(b"next")) as fake:
        with pytest.raises(SandboxError, match="/x is larger"):
            await fake.channel.read("/x")
        assert await fake.channel.read("/y") == b"next"


async def test_failures_have_their_names():
    def failed(why):
        return lambda number: wire.frame(wire.FAILED, number, why, b"some reason")

    async with Fake(
        failed(wire.NOT_THERE),
        failed(wire.UNUSABLE),
        failed(wire.FULL),
        failed(wire.UNUSABLE),
        failed(wire.REFUSED),
    ) as fake:
        with pytest.raises(NotThere, match="/a"):
            await fake.channel.read("/a")
        with pytest.raises(SandboxError, match="/b .*some reason"):
            await fake.channel.read("/b")
        with pytest.raises(DiskFull, match="/c"):
            await fake.channel.write("/c", b"")
        with pytest.raises(SandboxError, match="/d .*some reason"):
            await fake.channel.write("/d", b"")
        with pytest.raises(SandboxError, match="cannot be started: some reason"):
            await fake.channel.run("true", timeout=1)
    for request in (lambda c: c.run("true", timeout=1), lambda c: c.kill_all()):
        async with Fake(failed(wire.UNUSABLE)) as fake:
            with pytest.raises(SandboxDied, match="some reason"):
                await request(fake.channel)


async def test_a_silent_server_is_a_death_after_its_grace(monkeypatch):
    monkeypatch.setattr(exec_channel, "GRACE", 0.1)
    async with Fake() as fake:
        with pytest.raises(SandboxDied, match="did not answer"):
            await fake.channel.run("true", timeout=0.1)
        await wait_until_async(lambda: len(fake.received) > 1, "both requests arrived")
        assert [kind for kind, *_ in fake.received] == [wire.RUN, wire.KILL]


async def test_no_word_at_all_and_no_shell():
    async with Fake(hello=(b"0",)) as fake:
        with pytest.raises(CannotStart, match="no /bin/sh"):
            await fake.channel.open()
    async with Fake(hello=(b"what",)) as fake:
        with pytest.raises(SandboxDied):
            await fake.channel.open()
    channel = ExecChannel(None, asyncio.Event().wait)
    with pytest.raises(SandboxDied, match="did not start"):
        await channel.open(timeout=0.1)
    await channel.abandon()


async def test_an_end_that_crosses_the_kill_is_the_commands_own():
    """It had ended in its time, only its word was late."""
    async with Fake(b"", done(b"7")) as fake:
        result = await fake.channel.run("true", timeout=0.1)
        assert (result.exit_code, result.ended) == (7, "exited")
    async with Fake(b"", done(b"137", killed=b"1")) as fake:
        assert (await fake.channel.run("true", timeout=0.1)).ended == "timeout"


async def test_what_a_cancelled_request_still_says_is_passed_over():
    async with Fake(b"", lambda n: data(b"old")(n - 1) + data(b"new")(n)) as fake:
        running = asyncio.ensure_future(fake.channel.run("sleep 100", timeout=100))
        await wait_until_async(lambda: fake.received, "the request arrived")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await fake.channel.run("true", timeout=20)).output == "new"


async def test_large_inputs_travel_in_pieces():
    async with Fake(done(), done()) as fake:
        await fake.channel.run("x" * 300_000, timeout=20, stdin=b"y" * 600_000)
        puts = [(fields[0], len(fields[1])) for kind, _, fields in fake.received if kind == wire.PUT]
        assert sum(size for slot, size in puts if slot == wire.STDIN) == 600_000
        assert sum(size for slot, size in puts if slot == wire.SCRIPT) > 300_000
        assert max(size for _, size in puts) <= wire.PIECE


@pytest.mark.parametrize(("said", "shown"), [("", "line\n"), ("a", "a\nline\n"), ("a\n", "a\nline\n")])
def test_the_last_line_is_one_of_its_own(said, shown):
    assert with_line(said, "line") == shown


@settings(max_examples=50)
@given(limit=st.integers(0, 50), pieces=st.lists(st.binary(min_size=1, max_size=30), max_size=10))
def test_the_server_keeps_head_and_tail_however_output_comes(limit, pieces):
    output, sent, whole = Output(limit), b"", b"".join(pieces)
    ours, theirs = os.pipe()
    try:
        for piece in pieces:
            os.write(theirs, piece)
            assert output.take(ours) == len(piece)
            sent += bytes(output.unsent)
            output.unsent.clear()
    finally:
        os.close(ours)
        os.close(theirs)
    tail, cut = output.tail()
    assert sent == whole[: limit - limit // 2]
    assert cut == max(0, len(whole) - limit)
    assert tail == whole[len(sent) + cut :]


def test_the_server_imports_next_to_nothing():
    """What it imports is paid for by every container's start."""
    code = "import os, sys; before = set(sys.modules); import {}; print(*(set(sys.modules) - before))"
    names = "sandbox.inside.contained"
    prepare = "import sys; p = type(sys)('sandbox'); p.__path__ = ['sandbox']; sys.modules['sandbox'] = p\n"
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", prepare + code.format(names)],
        capture_output=True,
        text=True,
        check=True,
    )
    strangers = {name for name in told.stdout.split() if not name.startswith("sandbox")}
    assert strangers <= {"select", "_socket", "errno", "time", "_signal", "_ctypes", "_struct"}


def opened(number=1, port=b"61001"):
    return wire.frame(wire.OPEN, number, port)


async def _echo(reader, writer):
    while piece := await reader.read(1000):
        writer.write(piece)


LIES_OF_PORTS = {
    "a port that nobody forwarded": opened(port=b"61002"),
    "a port that is no number": opened(port=b"x"),
    "a connection that was there before": opened(2) + opened(1),
    "bytes of no connection": wire.frame(wire.BYTES, 9, b"x"),
    "more bytes than the window": opened() + wire.frame(wire.BYTES, 1, b"x" * (wire.WINDOW + 1)),
    "bytes after the end": opened() + wire.frame(wire.END, 1) + wire.frame(wire.BYTES, 1, b"x"),
    "two ends": opened() + 2 * wire.frame(wire.END, 1),
    "two of its last words": opened() + 2 * wire.frame(wire.GONE, 1),
    "more taken than was sent": opened() + wire.frame(wire.TAKEN, 1, b"1"),
    "taken is no number": opened() + wire.frame(wire.TAKEN, 1, b"-1"),
    "too few fields": opened() + wire.frame(wire.BYTES, 1),
    "too many fields": opened() + wire.frame(wire.GONE, 1, b"x"),
    "too many connections": b"".join(opened(number) for number in range(1, wire.CONNECTIONS + 2)),
}


@pytest.mark.parametrize("lie", LIES_OF_PORTS.values(), ids=LIES_OF_PORTS)
@pytest.mark.parametrize("asked", [True, False], ids=["while a command runs", "while nobody asks"])
async def test_a_lie_about_a_port_is_a_death(lie, asked):
    async with Fake(done(), *([lie] if asked else [])) as fake:
        await fake.channel.forward({61001: _echo})
        if not asked:
            await fake._loop.sock_sendall(fake._theirs, lie)
            await wait_until_async(lambda: fake.channel.closed, "the lie is heard")
        with pytest.raises(SandboxDied):
            await fake.channel.run("true", timeout=20, output_limit=1000)
        assert fake.channel.closed


async def test_a_server_that_never_was_asked_to_forward_has_no_connections():
    async with Fake(opened()) as fake:
        with pytest.raises(SandboxDied, match="another language"):
            await fake.channel.run("true", timeout=20)


@given(
    frames=st.lists(
        st.tuples(
            st.sampled_from(sorted(wire.OF_PORTS)),
            st.integers(0, 4),
            st.lists(st.sampled_from([b"", b"61001", b"1", b"300000", b"x" * 70_000]), max_size=2),
        ),
        max_size=30,
    )
)
def test_whatever_is_said_of_ports_is_understood_or_malformed(frames):
    async def check():
        said = []

        async def send(piece):
            said.append(piece)

        ports = Ports(send)
        ports.handlers[61001] = _echo
        try:
            for frame in frames:
                ports.take(*frame)
                await asyncio.sleep(0)
        except wire.Malformed:
            pass
        finally:
            await ports.close()

    asyncio.run(check())


async def test_the_time_limit_of_a_command_holds_while_connections_are_busy(monkeypatch):
    """Bytes of ports are no sign of life of the command."""
    monkeypatch.setattr(exec_channel, "GRACE", 0.2)
    async with Fake(done()) as fake:
        await fake.channel.forward({61001: _echo})
        await fake._loop.sock_sendall(fake._theirs, opened())

        async def chatter():
            while True:
                await fake._loop.sock_sendall(fake._theirs, wire.frame(wire.BYTES, 1, b"x"))
                await asyncio.sleep(0)

        chatting = asyncio.ensure_future(chatter())
        fake._answers.append(lambda n: b"")
        fake._answers += [b""] * 100_000  # of the connection's frames
        with pytest.raises(SandboxDied, match="did not answer"):
            await fake.channel.run("true", timeout=0.2)
        chatting.cancel()
        await asyncio.gather(chatting, return_exceptions=True)
