"""Forwarded ports: a sandbox without a network reaches the handlers it was given on its loopback, and nothing else."""

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import socket
import sys
import tracemalloc

import pytest
from waiting import wait_until_async

from sandbox import NoPorts, SandboxError
from sandbox.inside import wire

pytestmark = pytest.mark.asyncio(loop_scope="module")
PORT, OTHER = 61001, 61002
BIG = 100 << 20

CLIENT = """\
import hashlib, socket, sys, threading

def connected(port):
    return socket.create_connection(("127.0.0.1", port))

def rest(line):
    got = b""
    while piece := line.recv(65536):
        got += piece
    return got
"""


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


@pytest.fixture
def inside(sandbox, python):
    """Run a Python script with the helpers above. -> its output; it must end well."""

    async def run(script, **more):
        await sandbox.write("/tmp/client.py", (CLIENT + script).encode())
        result = await sandbox.run(f"{python} /tmp/client.py", **more)
        assert result.exit_code == 0, result.output
        return result.output

    return run


async def test_a_port_leads_to_its_handler_and_the_end_of_either_side_is_seen(sandbox, inside):
    heard = []

    async def handler(reader, writer):
        heard.append(await reader.read())  # all, to the program's end of writing
        writer.write(b"you said " + heard[-1])

    await sandbox.forward({PORT: handler, OTHER: echo})
    script = """
for port in (61001, 61002):
    line = connected(port)
    line.sendall(b"hello"); line.shutdown(socket.SHUT_WR)
    print(rest(line))
try:
    connected(61003)
except ConnectionRefusedError:
    print("refused")
"""
    assert await inside(script) == "b'you said hello'\nb'hello'\nrefused\n"
    assert heard == [b"hello"]


async def test_a_hundred_megabytes_go_through_with_bounded_memory(sandbox, inside):
    block = os.urandom(1 << 16)
    whole = hashlib.sha256()
    for _ in range(BIG // len(block)):
        whole.update(block)
    received = hashlib.sha256()

    async def send(reader, writer):
        for _ in range(BIG // len(block)):
            writer.write(block)
            await writer.drain()

    async def receive(reader, writer):
        while data := await reader.read(1 << 16):
            received.update(data)
        writer.write(b"all")

    await sandbox.forward({PORT: send, OTHER: receive})
    script = f"""
line, whole, block = connected(61001), hashlib.sha256(), {block!r}
while data := line.recv(1 << 16):
    whole.update(data)
print(whole.hexdigest())
line = connected(61002)
for _ in range({BIG // len(block)}):
    line.sendall(block)
line.shutdown(socket.SHUT_WR)
print(rest(line))
"""
    tracemalloc.start()
    try:
        said = await inside(script)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert said == f"{whole.hexdigest()}\nb'all'\n" and received.digest() == whole.digest()


async def test_who_does_not_read_stops_the_other_side_and_nobody_else(sandbox, inside, python):
    sent = 0

    async def flood(reader, writer):
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    stuck = asyncio.Event()

    async def deaf(reader, writer):
        await stuck.wait()

    await sandbox.forward({PORT: flood, OTHER: deaf, OTHER + 1: echo})
    script = """
deaf = connected(61002); deaf.settimeout(0.5)
given = 0
try:
    while True:
        given += deaf.send(b"y" * 65536)
except TimeoutError:
    pass
lazy = connected(61001)
line = connected(61003)
line.sendall(b"still here"); line.shutdown(socket.SHUT_WR)
print(rest(line), 0 < given < 64 << 20)
"""
    assert await inside(script) == "b'still here' True\n"
    # Whatever the kernel's own buffers take.
    assert sent < 64 << 20
    assert (await sandbox.run("head -c 3000000 /dev/zero | wc -c")).output == "3000000\n"
    await sandbox.write("/tmp/big", b"z" * (3 << 20))
    assert await sandbox.read("/tmp/big") == b"z" * (3 << 20)
    stuck.set()


async def test_many_connections_at_one_time_and_more_than_there_may_be(sandbox, inside):
    open_now, most = 0, 0

    async def counting(reader, writer):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            await echo(reader, writer)
        finally:
            open_now -= 1

    await sandbox.forward({PORT: counting})
    count = wire.CONNECTIONS + 40
    script = f"""
lines = [connected(61001) for _ in range({count})]
answers = []
for number, line in enumerate(lines):  # those beyond the limit are served when earlier ones are gone
    line.sendall(b"%d" % number)
    line.shutdown(socket.SHUT_WR)
    answers.append(rest(line) == b"%d" % number)
    line.close()
print(len(answers), all(answers))
"""
    assert await inside(script) == f"{count} True\n"
    assert most == wire.CONNECTIONS and open_now == 0


async def test_a_cut_is_seen_on_the_other_side(sandbox, inside):
    ended = []

    async def cutting(reader, writer):
        await reader.read(1)
        writer.transport.abort()

    async def waiting(reader, writer):
        try:
            await reader.read()
        except ConnectionResetError:
            ended.append("cut")

    await sandbox.forward({PORT: cutting, OTHER: waiting})
    script = """
import struct
line = connected(61001)
line.sendall(b"x")
try:
    print(line.recv(10))
except ConnectionResetError:
    print("reset")
line = connected(61002)
line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
line.close()
"""
    assert await inside(script) == "reset\n"
    await wait_until_async(lambda: ended == ["cut"], "the handler hears of the cut")


async def test_ports_serve_what_a_command_left_behind_and_end_with_the_sandbox(
    backend, world, limits, python
):
    sandbox = await backend.start(world, name="ports", limits=limits)
    lines, over = 0, asyncio.Event()

    async def handler(reader, writer):
        nonlocal lines
        try:
            while await reader.readline():
                lines += 1
        finally:
            over.set()

    try:
        await sandbox.forward({PORT: handler})
        client = b"import socket, time\nline = socket.create_connection(('127.0.0.1', 61001))\n"
        await sandbox.write(
            "/tmp/c.py", client + b"while True:\n    line.sendall(b'x\\n')\n    time.sleep(0.01)\n"
        )
        await sandbox.run(f"{python} /tmp/c.py >/dev/null 2>&1 &")
        await wait_until_async(lambda: lines > 20, "lines come while no command runs")
    finally:
        await sandbox.close()
    assert over.is_set()


async def test_a_handler_that_fails_ends_its_connection_only(sandbox, inside):
    async def failing(reader, writer):
        raise RuntimeError("on purpose")

    await sandbox.forward({PORT: failing, OTHER: echo})
    script = """
print(rest(connected(61001)))
line = connected(61002); line.sendall(b"x"); line.shutdown(socket.SHUT_WR); print(rest(line))
"""
    assert await inside(script) == "b''\nb'x'\n"


async def test_copies_have_no_ports(sandbox, python):
    await sandbox.forward({PORT: echo})
    await sandbox.run("true")
    copy = await sandbox.copy("copy")
    try:
        connect = "import socket; socket.create_connection(('127.0.0.1', 61001))"
        result = await copy.run(f'{python} -c "{connect}"')
        assert "ConnectionRefusedError" in result.output
    finally:
        await copy.close()


async def test_no_port_of_the_hosts_own_loopback(backend, world, limits):
    sandbox = await backend.start(dataclasses.replace(world, network="host"), name="open", limits=limits)
    try:
        with pytest.raises(NoPorts):
            await sandbox.forward({PORT: echo})
        with contextlib.closing(socket.socket()) as line, pytest.raises(ConnectionRefusedError):
            line.connect(("127.0.0.1", PORT))
    finally:
        await sandbox.close()


async def test_a_port_that_is_taken_is_said(sandbox):
    await sandbox.forward({PORT: echo})
    with pytest.raises(SandboxError, match="in use"):
        await sandbox.forward({PORT: echo})
    assert (await sandbox.run("echo alive")).output == "alive\n"
    with pytest.raises(ValueError, match="no port"):
        await sandbox.forward({80: echo})


REACH = """
import os, sys
loopback, abstract, path, own, neighbour = sys.argv[1:]

def tried(name, family, address):
    line = socket.socket(family)
    line.settimeout(3)
    try:
        line.connect(address)
    except OSError:
        return
    print("reached", name)

tried("the host's loopback", socket.AF_INET, ("127.0.0.1", int(loopback)))
tried("the host's loopback by another address", socket.AF_INET, ("127.1.2.3", int(loopback)))
tried("the host's loopback as this host", socket.AF_INET, ("0.0.0.0", int(loopback)))
tried("the host's own address", socket.AF_INET, (own, int(loopback)))
tried("an abstract socket", socket.AF_UNIX, chr(0) + abstract)
tried("a socket's file", socket.AF_UNIX, path)
tried("a neighbour's port", socket.AF_INET, ("127.0.0.1", int(neighbour)))
tried("cloud metadata", socket.AF_INET, ("169.254.169.254", 80))
tried("the internet", socket.AF_INET, ("1.1.1.1", 443))
if socket.has_ipv6:
    tried("the host's loopback, IPv6", socket.AF_INET6, ("::1", int(loopback)))
print("devices", [name for _, name in socket.if_nameindex() if name != "lo"])
print("abstract names", abstract in open("/proc/net/unix").read())
"""


def own_address():
    """One of the host's addresses that is no loopback: where the kernel would send from. "" where there is none."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as line:
        try:
            line.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        return line.getsockname()[0]


async def test_a_port_opens_nothing_else(backend, world, limits, sandbox, python, tmp_path):
    """What a sandbox with a port can reach: its handler, and none of what the host or a neighbour has."""
    other = await backend.start(world, name="other", limits=limits)
    came = []
    abstract = f"winnow-test-{os.getpid()}"
    servers = []

    async def serve(reader, writer):
        came.append(writer.get_extra_info("sockname"))
        writer.close()

    try:
        both = (
            socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
            if socket.has_ipv6
            else None
        )
        servers.append(await asyncio.start_server(serve, sock=both or socket.create_server(("", 0))))
        port = servers[0].sockets[0].getsockname()[1]
        for where in (f"\0{abstract}", str(tmp_path / "socket")):
            servers.append(await asyncio.start_unix_server(serve, where))
        await other.forward({OTHER: serve})
        await sandbox.forward({PORT: echo})
        await sandbox.write("/tmp/reach.py", (CLIENT + REACH).encode())
        words = [port, abstract, tmp_path / "socket", own_address() or "192.0.2.1", OTHER]
        result = await sandbox.run(f"{python} /tmp/reach.py {' '.join(map(str, words))}")
        assert result.output == "devices []\nabstract names False\n" and came == []
        if os.geteuid() == 0:  # the same, and each of them succeeds
            reached = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CLIENT + REACH, *map(str, words[:-1]), str(port)),
                stdout=asyncio.subprocess.PIPE,
            )
            said = (await reached.communicate())[0].decode()
            for name in ("the host's loopback\n", "an abstract socket", "a socket's file"):
                assert f"reached {name}" in said
            assert "abstract names True" in said
    finally:
        for server in servers:
            server.close()
        await other.close()
