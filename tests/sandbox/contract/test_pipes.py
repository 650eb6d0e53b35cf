"""Pipes: one that stands where Winnow opens a file, and the one through which a command's output comes."""

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


async def test_what_an_earlier_command_left_behind_prints_nowhere(sandbox):
    left = "(until [ -e go ]; do sleep 0.01; done; echo forged; echo forged >&2; touch said) &"
    assert (await sandbox.run(left)).output == ""
    seen = await sandbox.run("touch go; until [ -e said ]; do sleep 0.01; done; sleep 0.1; echo mine")
    assert seen.output == "mine\n"
