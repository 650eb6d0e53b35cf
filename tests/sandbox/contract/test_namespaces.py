"""What of the kernel a sandbox has for itself: shared memory, control groups, its name; and no dumps of memory."""

import ctypes
import socket
from pathlib import Path

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")
ATTACKS = Path(__file__).parent / "attacks"
SECRET = b"the host's own"


@pytest.fixture
def segment():
    """A segment of the host that every user may read. -> its number"""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(0, 4096, 0o1666)  # IPC_PRIVATE, IPC_CREAT
    if number < 0:
        pytest.skip("this kernel has no shared memory of System V")
    at = libc.shmat(number, None, 0)
    ctypes.memmove(at, SECRET + b"\0", len(SECRET) + 1)
    yield number
    libc.shmdt(ctypes.c_void_p(at))
    libc.shmctl(number, 0, None)  # IPC_RMID


async def test_shared_memory_of_the_host_cannot_be_had(shared, python, segment):
    await shared.write("/tmp/shared_memory.py", (ATTACKS / "shared_memory.py").read_bytes())
    seen = await shared.run(f"{python} /tmp/shared_memory.py {segment}; tail -n +2 /proc/sysvipc/shm")
    assert seen.output.startswith("FAILED") and len(seen.output.splitlines()) == 1, seen.output


async def test_no_path_of_the_hosts_control_groups_is_seen(shared):
    seen = (await shared.run("cat /proc/self/cgroup")).output.splitlines()
    assert seen and [line for line in seen if line.split(":", 2)[2] != "/"] == []


async def test_a_sandbox_does_not_know_the_hosts_name(shared):
    seen = (await shared.run("uname -n; cat /proc/sys/kernel/hostname")).output.split()
    assert seen == ["sandbox", "sandbox"] and socket.gethostname() not in seen


CRASH = "cd $(mktemp -d); ulimit -c unlimited 2>&1; ulimit -c; sleep 1000 & kill -SEGV $!; wait; ls -A"


async def test_a_crash_leaves_no_core(shared):
    """Where the kernel hands cores to a program of the host, the limit is all that can be looked at."""
    seen = (await shared.run(CRASH)).output.splitlines()
    assert "0" in seen and not [line for line in seen if line.startswith("core")], seen
