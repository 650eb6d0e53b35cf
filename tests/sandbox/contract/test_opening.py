"""Files that Winnow opens in a sandbox: pipes are not waited for, and nothing of the server itself is read."""

import asyncio

import pytest
from waiting import PATIENCE

from sandbox import NotThere, SandboxError

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = PATIENCE / 4
"""Seconds in which a file is opened. Whoever waits for a pipe waits for ever."""


async def outcome(doing):
    """What an operation on a file comes to."""
    try:
        return await asyncio.wait_for(doing, LONG)
    except (NotThere, SandboxError, TimeoutError) as error:
        return error


async def test_no_pipe_is_waited_for(sandbox):
    await sandbox.run("mkfifo pipe; ln -s pipe link; mkdir folder; mkfifo folder/pipe")
    for path in ("pipe", "link", "folder/pipe"):
        assert isinstance(await outcome(sandbox.read(path)), NotThere), path
        written = await outcome(sandbox.write(path, b"x"))
        assert isinstance(written, SandboxError) and "took more than" not in str(written), path
    assert (await sandbox.run("echo next")).output == "next\n"


async def test_nothing_of_the_servers_own_proc_is_read(sandbox):
    """The server opens files, and may look into itself: so may nobody who leads it there."""
    await sandbox.run("ln -s /proc/self/maps link; ln -s /proc/self folder; ln -s link far")
    for path in ("/proc/self/maps", "/proc/1/status", "/proc/meminfo", "link", "far", "folder/maps"):
        assert isinstance(await outcome(sandbox.read(path)), NotThere), path
    assert isinstance(await outcome(sandbox.write("/proc/self/oom_score_adj", b"1000")), SandboxError)
