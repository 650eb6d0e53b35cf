"""The channel under each shell that may be an image's /bin/sh, and the framing of its stream."""

# ruff: noqa: ASYNC240 (short looks at the machine from outside)

import asyncio
import contextlib
import os
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import needs, program_path
from time_outs import cut_off
from waiting import PATIENCE

from sandbox import NotThere, SandboxDied
from sandbox.frame import Capture, Frame
from sandbox.shell_channel import ShellChannel

SHELLS = [pytest.param(shell, marks=needs(shell)) for shell in ("dash", "bash", "busybox")]
BWRAP = "bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp --clearenv --chdir /"


@contextlib.asynccontextmanager
async def opened(shell: str):
    """A channel to `shell`, called /bin/sh, in namespaces of its own; never without them (it kills all it can)."""
    argv = [*BWRAP.split(), "--setenv", "PATH", "/usr/bin:/bin"]
    argv += ["--ro-bind", os.path.realpath(program_path(shell)), os.path.realpath("/bin/sh"), "--", "/bin/sh"]
    process = await asyncio.create_subprocess_exec(*argv, stdin=-1, stdout=-1, limit=1 << 18)

    async def send(data):
        process.stdin.write(data)
        await process.stdin.drain()

    channel = ShellChannel(send, lambda: process.stdout.read(1 << 18))
    try:
        yield channel, process
    finally:
        await channel.abandon()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@needs("bwrap")
@pytest.mark.overlay
@pytest.mark.parametrize("shell", SHELLS)
async def test_every_shell_keeps_the_contract(shell):
    async with opened(shell) as (channel, _):

        async def run(script, **more):
            return await channel.run(script, **{"timeout": PATIENCE, **more})

        assert (await run("echo out; echo err >&2; exit 3")).output == "out\nerr\n"
        for broken in ("echo 'x", "if true", "fi", "exit 9", "kill -9 $PPID", "exec true", "cat <<E\nx"):
            await run(broken)
        result = await run(
            "printf '%s|' \"$A\" $(pwd); cat", env={"A": "it's\n$x"}, cwd="/usr", stdin=b"a\0\xff-%\\"
        )
        assert result.output == "it's\n$x|/usr|a\0\ufffd-%\\"
        assert (await run("env", env={"PATH": "/usr/bin:/bin"})).output.count("OLDPWD") == 0
        late = await cut_off(
            lambda timeout: run("setsid sleep 1000 & echo part; sleep 1000", timeout=timeout),
            lambda result: result.output,
        )
        assert (late.exit_code, late.ended, late.output) == (124, "timeout", "part\n")
        assert "sleep" not in (await run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).output
        content = bytes(range(256)) * 500 + b"-\\%'\n"
        await channel.write("/tmp/a b/c", content, 0o600)
        assert await channel.read("/tmp/a b/c") == content
        assert await channel.read("/tmp/a b/c", 5) == content[:5]
        with pytest.raises(NotThere):
            await channel.read("/tmp")
        script = ": '" + "x" * 300_000 + "'; exit 7"
        assert (await run(script)).exit_code == 7
        with pytest.raises(SandboxDied):
            await run("kill -9 -1")
        assert channel.closed


@needs("bwrap")
@pytest.mark.overlay
@pytest.mark.parametrize("shell", SHELLS)
async def test_a_sandbox_ends_with_its_channel(shell):
    async with opened(shell) as (channel, process):
        await channel.run("trap '' HUP TERM; setsid sleep 1000 & echo", timeout=PATIENCE)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), PATIENCE) is not None


@needs("bwrap")
@pytest.mark.overlay
async def test_no_channel_outside_a_pid_namespace():
    """The shell that would kill everything on a time-out refuses to serve where that is the whole machine."""
    if os.getpid() < 300:
        pytest.skip("this machine is a pid namespace of its own")
    process = await asyncio.create_subprocess_exec("/bin/sh", stdin=-1, stdout=-1)
    holder = []

    async def send(data):
        # Whatever the channel sends: nothing that kills may ever reach this shell.
        holder.append(data)
        assert b"kill" not in data.replace(b"trap 'kill -9 -1' EXIT", b"")
        process.stdin.write(data.replace(b"trap 'kill -9 -1' EXIT", b"echo served"))
        await process.stdin.drain()

    channel = ShellChannel(send, lambda: process.stdout.read(1 << 16))
    with pytest.raises(SandboxDied, match="namespace"):
        await channel.run("echo never", timeout=PATIENCE)
    assert len(holder) == 1 and await process.wait() == 97


@needs("bwrap")
@pytest.mark.overlay
async def test_a_flood_of_output_takes_little_memory():
    async with opened("dash") as (channel, _):
        tracemalloc.start()
        try:
            result = await channel.run("yes | head -c 100000000", timeout=PATIENCE, output_limit=100_000)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert result.cut == 100_000_000 - 100_000
    assert peak < 8 << 20


NONCE = "0123456789abcdef" * 2


@given(
    noise=st.binary(max_size=50),
    output=st.binary(max_size=200),
    code=st.integers(0, 255),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_markers_are_found_however_the_stream_is_split(noise, output, code, cuts):
    stream = noise + f"{NONCE}[".encode() + output + f"{NONCE}]{code};".encode() + b"after"
    capture = Capture(None)
    frame = Frame(NONCE, capture)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in zip(edges, edges[1:], strict=False):
        if not frame.done:
            frame.feed(stream[start:end])
    assert frame.done and frame.code == code and capture.raw() == output


@given(pieces=st.lists(st.binary(max_size=40), max_size=20), limit=st.integers(0, 60))
def test_what_is_kept_is_the_head_and_the_tail(pieces, limit):
    capture, whole = Capture(limit), b"".join(pieces)
    for piece in pieces:
        capture.add(piece)
    head = limit - limit // 2
    kept = whole if len(whole) <= limit else whole[:head] + whole[len(whole) - limit // 2 :]
    assert capture.raw() == kept
    text, cut = capture.text()
    assert cut == 0 if len(whole) <= limit else cut >= len(whole) - limit
    assert (f"{cut} bytes" in text) == (len(whole) > limit)


@given(st.text("aü✓𝄞", max_size=60), st.integers(0, 80))
def test_a_cut_never_splits_a_character(text, limit):
    capture = Capture(limit)
    capture.add(text.encode())
    shown, cut = capture.text()
    assert "\ufffd" not in shown
    if cut:
        head, tail = shown.split(f"\n[... {cut} bytes of output were cut here ...]\n")
        assert text.startswith(head) and text.endswith(tail)
        assert len((head + tail).encode()) + cut == len(text.encode())


def test_a_kill_that_crosses_the_end_is_still_a_kill():
    frame = Frame(NONCE, Capture(100))
    frame.feed(f"{NONCE}[out".encode())
    frame.expect_kill()
    frame.feed(f"{NONCE}]0;noise".encode())
    assert not frame.done
    frame.feed(f"{NONCE}!;".encode())
    assert frame.done


def test_the_door_is_light():
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, sandbox; print([m for m in ('docker', 'requests') if m in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "[]\n"
