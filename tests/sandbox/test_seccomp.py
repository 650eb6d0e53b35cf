"""The filter of system calls: what it decides, read by an interpreter, and what the kernel does with it."""

import errno
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from programs import missing_reason, program_path
from waiting import PATIENCE

from sandbox.inside import seccomp

ROOM = Path(seccomp.__file__).parents[1]
X86_64, AARCH64, I386, ARM = 0xC000003E, 0xC00000B7, 0x40000003, 0x40000028
MACHINES = {"x86_64": X86_64, "aarch64": AARCH64}
COLUMN = {"x86_64": 1, "aarch64": 2}
words = st.integers(0, 2**64 - 1) | st.integers(0, 64) | st.sampled_from([0x7E020000, 0x5412, 2**32 + 1])
arguments = st.lists(words, min_size=6, max_size=6)


def steps(machine):
    code = seccomp.program(machine)
    return [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]


def decided(machine, number, args=(0,) * 6, architecture=None):
    """What the kernel would do: None to let it run, or the errno."""
    data = struct.pack("<IIQ6Q", number, architecture or MACHINES[machine], 0, *args)
    program, at, accumulator = steps(machine), 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x05:
            at += value
        elif code == 0x06:
            if value == 0x7FFF0000:
                return None
            assert value & 0xFFFF0000 == 0x00050000
            return value & 0xFFFF
        else:
            test = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }
            at += if_true if test[code] else if_false


def numbers(machine):
    calls = (*seccomp.REFUSED, *seccomp.UNKNOWN, *seccomp.BY_ARGUMENT)
    return {call[0]: call[COLUMN[machine]] for call in calls if call[COLUMN[machine]] >= 0}


def expected(machine, number, args):
    """The policy once more, in plain words."""
    if number > 470:
        return errno.ENOSYS
    names = {value: name for name, value in numbers(machine).items()}
    name = names.get(number, "")
    first, second = args[0] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF
    refused = {
        "clone": first & 0x7E020000,
        "unshare": first & 0x7E020080,
        "ioctl": second in (0x5412, 0x541C),
        "personality": first != 0xFFFFFFFF and first & ~0x60008,
        "setpriority": first == 2 or second == 1,
        "ioprio_set": first == 3 or second == 1,
    } | dict.fromkeys(
        ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr"),
        first == 1,
    )
    if name in ("socket", "socketpair"):
        return None if first in (1, 2, 10, 16) else errno.EAFNOSUPPORT
    if name in refused:
        return errno.EPERM if refused[name] else None
    if name in {call[0] for call in seccomp.UNKNOWN}:
        return errno.ENOSYS
    return errno.EPERM if name in {call[0] for call in seccomp.REFUSED} else None


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_without_arguments(machine):
    for number in range(1100):
        assert decided(machine, number) == expected(machine, number, (0,) * 6), number


@pytest.mark.parametrize("machine", MACHINES)
@settings(max_examples=300)
@given(data=st.data(), args=arguments)
def test_calls_that_their_arguments_decide(machine, data, args):
    column = COLUMN[machine]
    number = data.draw(st.sampled_from([call[column] for call in seccomp.BY_ARGUMENT]))
    assert decided(machine, number, args) == expected(machine, number, args)


@pytest.mark.parametrize("machine", MACHINES)
@settings(max_examples=300)
@given(number=st.integers(0, 2**32 - 1), args=arguments)
@example(number=471, args=[0] * 6)
@example(number=0x40000000, args=[0] * 6)  # read, of x32
@example(number=0x40000000 | 165, args=[0] * 6)  # mount, of x32
@example(number=2**32 - 1, args=[0] * 6)
def test_any_number(machine, number, args):
    assert decided(machine, number, args) == expected(machine, number, args)


@settings(max_examples=200)
@given(
    number=st.integers(0, 600),
    architecture=st.integers(1, 2**32 - 1) | st.sampled_from([I386, ARM, X86_64, AARCH64]),
    args=arguments,
)
def test_another_architecture_has_no_calls_at_all(number, architecture, args):
    for machine, own in MACHINES.items():
        if architecture != own:
            assert decided(machine, number, args, architecture) == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_one_that_a_kernel_takes(machine):
    program = steps(machine)
    assert len(program) <= 4096  # BPF_MAXINSNS
    reached = {0}
    for at, (code, if_true, if_false, value) in enumerate(program):
        assert at in reached, f"step {at} is never reached"
        after = {0x20: (0,), 0x05: (value,), 0x06: ()}.get(code, (if_true, if_false))
        reached |= {at + 1 + jump for jump in after}
        assert code != 0x20 or (value % 4 == 0 and value < 64)
    assert max(reached) < len(program)


@pytest.mark.parametrize("machine", ["i686", "riscv64", "aarch64_be", "", "armv7l"])
def test_a_machine_without_a_table_has_no_program(machine):
    assert seccomp.program(machine) is None


@pytest.mark.parametrize(
    "machine, places",
    [
        ("x86_64", ("x86_64-linux-gnu/asm/unistd_64.h", "asm/unistd_64.h")),
        ("aarch64", ("asm-generic/unistd.h",)),
    ],
)
def test_the_numbers_are_those_of_the_kernel_headers(machine, places):
    found = [path for place in places if (path := Path("/usr/include", place)).is_file()]
    if not found:
        pytest.skip("the kernel's headers are not installed (linux-libc-dev)")
    theirs = {
        name: int(number)
        for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)\b", found[0].read_text())
    }
    if "clone3" not in theirs:
        pytest.skip(f"{found[0]} is not this machine's table")
    ours = numbers(machine)
    newest = max(number for name, number in theirs.items() if name != "syscalls")
    for name, number in ours.items():
        if number <= newest:
            assert theirs[name] == number, name
    assert len(set(ours.values())) == len(ours)
    every = [call[0] for call in (*seccomp.REFUSED, *seccomp.UNKNOWN, *seccomp.BY_ARGUMENT)]
    assert [name for name in every if name in theirs and name not in ours] == [], "there, but -1 in our table"


# From here on the real kernel.

needs_table = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in MACHINES,
    reason=f"no filter for {platform.system()} on {platform.machine()}",
)

PRELUDE = f"""
import ctypes, errno, os, sys, types
package = types.ModuleType("sandbox"); package.__path__ = [{str(ROOM)!r}]; sys.modules["sandbox"] = package
from sandbox.inside import seccomp
libc = ctypes.CDLL(None, use_errno=True)
column = {{"x86_64": 1, "aarch64": 2}}[os.uname().machine]
def call(name, *values):
    every = (*seccomp.REFUSED, *seccomp.UNKNOWN, *seccomp.BY_ARGUMENT)
    number = next(entry[column] for entry in every if entry[0] == name)
    words = [value if isinstance(value, bytes) else ctypes.c_long(value) for value in values]
    result = libc.syscall(ctypes.c_long(number), *words)
    return 0 if result >= 0 else ctypes.get_errno()
"""
INSTALL = "assert libc.prctl(38, 1, 0, 0, 0) == 0; seccomp.install(libc)\n"


def child(code, *, filtered=True, **more):
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + (INSTALL if filtered else "") + code],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **more,
    )


def said(code, *, filtered=True):
    done = child(code, filtered=filtered)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ATTACKS = {
    "unshare user": ("call('unshare', 0x10000000)", errno.EPERM),
    "unshare network": ("call('unshare', 0x40000000)", errno.EPERM),
    "unshare time": ("call('unshare', 0x80)", errno.EPERM),
    "clone user": (
        "(lambda r: os._exit(0) if os.getpid() != me else r)(call('clone', 0x10000011, 0, 0, 0, 0))",
        1,
    ),
    "clone3": ("call('clone3', 0, 0)", errno.ENOSYS),
    "setns": ("call('setns', -1, 0)", errno.EPERM),
    "mount": ("call('mount', b'none', b'/nowhere', b'tmpfs', 0, 0)", errno.EPERM),
    "umount": ("call('umount2', b'/nowhere', 0)", errno.EPERM),
    "pivot_root": ("call('pivot_root', b'/nowhere', b'/nowhere')", errno.EPERM),
    "chroot": ("call('chroot', b'/nowhere')", errno.EPERM),
    "open_tree": ("call('open_tree', -1, b'nowhere', 0)", errno.EPERM),
    "fsopen": ("call('fsopen', b'nosuchfs', 0)", errno.EPERM),
    "mount_setattr": ("call('mount_setattr', -1, b'nowhere', 0, 0, 0)", errno.EPERM),
    "open_by_handle_at": ("call('open_by_handle_at', -1, 0, 0)", errno.EPERM),
    "bpf": ("call('bpf', 12345, 0, 0)", errno.EPERM),
    "keyctl": ("call('keyctl', 0, -3, 1)", errno.EPERM),
    "add_key": ("call('add_key', b'user', b'winnow', b'x', 1, -2)", errno.EPERM),
    "io_uring": ("call('io_uring_setup', 1, 0)", errno.EPERM),
    "userfaultfd": ("call('userfaultfd', -1)", errno.EPERM),
    "perf": ("call('perf_event_open', 0, 0, -1, -1, 0)", errno.EPERM),
    "pidfd_getfd": ("call('pidfd_getfd', -1, 0, 0)", errno.EPERM),
    "vsock": ("call('socket', 40, 1, 0)", errno.EAFNOSUPPORT),
    "packet": ("call('socket', 17, 3, 0)", errno.EAFNOSUPPORT),
    "alg": ("call('socket', 38, 5, 0)", errno.EAFNOSUPPORT),
    "push back input": ("call('ioctl', -1, 0x5412, 0)", errno.EPERM),
    "push back input, upper bits set": ("call('ioctl', -1, 0x1_0000_5412, 0)", errno.EPERM),
    "limits of process 1": ("call('prlimit64', 1, 9999, 0, 0)", errno.EPERM),
    "priorities of a user": ("call('setpriority', 2, 12345678, 0)", errno.EPERM),
    "personality": ("call('personality', 0x0100000)", errno.EPERM),
    "memory policy": ("call('get_mempolicy', 0, 0, 0, 0, 0)", errno.EPERM),
}


@needs_table
@pytest.mark.parametrize("attack", ATTACKS)
def test_refused_with_the_filter_and_only_with_it(attack):
    code, refusal = ATTACKS[attack]
    code = f"me = os.getpid()\nprint({code})"
    without = said(code, filtered=False)
    assert said(code) == str(refusal)
    if without == str(refusal):
        pytest.skip("this kernel, or this user's rights, refuse it without a filter too")


@needs_table
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the 32-bit calls of x86")
def test_the_32_bit_door_is_shut():
    code = """
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000" "cd80" "c3"))  # getpid of i386 by int 0x80
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
print(ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid())
"""
    without = child(code, filtered=False)
    if without.stdout.strip() != "True":
        pytest.skip("this kernel runs no 32-bit programs")
    assert said(code) == "False"


@needs_table
def test_it_stays_through_exec_and_cannot_be_lifted():
    code = """
import struct, subprocess
allow = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000), 8)
assert libc.prctl(22, 2, struct.pack("HP", 1, ctypes.addressof(allow)), 0, 0) == 0
probe = "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.unshare(0x10000000), ctypes.get_errno())"
print(subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout)
"""
    assert said(code) == "-1 1"


@needs_table
def test_a_thread_started_later_has_it_too():
    code = """
import threading
found = []
threading.Thread(target=lambda: found.append(call("unshare", 0x20000))).start()
while not found: pass
print(*found)
"""
    assert said(code) == str(errno.EPERM)


@needs_table
def test_without_no_new_privs_an_ordinary_user_is_told():
    code = """
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    seccomp.install(libc)
except PermissionError as error:
    print(error.errno)
"""
    assert said(code, filtered=False) == str(errno.EACCES)


WORKS = {
    "threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool: assert sum(pool.map(len, ["ab"] * 100)) == 200
""",
    "subprocess": """
import subprocess
assert subprocess.run(["sh", "-c", "cat | wc -c"], input=b"abc", capture_output=True).stdout.strip() == b"3"
assert subprocess.run(["true"], start_new_session=True, close_fds=True).returncode == 0
""",
    "multiprocessing": """
import multiprocessing
for way in ("fork", "spawn", "forkserver"):
    with multiprocessing.get_context(way).Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
from multiprocessing.shared_memory import SharedMemory
shared = SharedMemory(create=True, size=100); shared.close(); shared.unlink()
""",
    "sqlite": """
import sqlite3, tempfile
with tempfile.TemporaryDirectory() as folder:
    for mode in ("wal", "delete"):
        base = sqlite3.connect(folder + "/" + mode); base.execute("pragma journal_mode=" + mode)
        base.execute("create table t (x)"); base.execute("insert into t values (1)"); base.commit()
""",
    "sockets": """
import asyncio, socket
async def main():
    async def echo(reader, writer): writer.write(await reader.read(5)); writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello"); assert await reader.read() == b"hello"; writer.close(); server.close()
asyncio.run(main())
left, right = socket.socketpair(); left.send(b"x"); assert right.recv(1) == b"x"
socket.getaddrinfo("localhost", 80); socket.if_nameindex()
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(); socket.socket(socket.AF_UNIX).close()
""",
    "limits and priorities of one's own": """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))
os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1); os.setpriority(os.PRIO_PROCESS, 0, 2)
os.setpriority(os.PRIO_PROCESS, os.getpid(), 3); os.getpriority(os.PRIO_PROCESS, 1)
""",
    "terminals": """
import pty, termios, fcntl, struct
ours, theirs = pty.openpty(); termios.tcgetattr(theirs); os.write(ours, b"x\\n"); assert os.read(theirs, 9) == b"x\\n"
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0)); os.get_terminal_size(theirs)
""",
    "files": """
import mmap, tempfile, shutil, fcntl
with tempfile.TemporaryDirectory() as folder:
    os.mkfifo(folder + "/fifo"); os.symlink("x", folder + "/link"); os.link(folder + "/fifo", folder + "/hard")
    open(folder + "/a", "w").write("a" * 9999); shutil.copy2(folder + "/a", folder + "/b")
    file = open(folder + "/a"); fcntl.flock(file, fcntl.LOCK_EX); os.statvfs(folder)
    mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[:1]; os.close(os.memfd_create("x")); os.sync()
""",
    "unshare of what is no namespace": "assert call('unshare', 0x400) == 0",  # CLONE_FILES
    "personality of a debugger": "assert call('personality', 0x40000) == 0 and call('personality', 0xFFFFFFFF) == 0",
    "clocks and signals": """
import signal, time
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01); signal.pause(); signal.setitimer(signal.ITIMER_REAL, 0)
time.clock_gettime(time.CLOCK_MONOTONIC); time.sleep(0.001); os.getrandom(4); os.pidfd_open(os.getpid())
""",
}


@needs_table
@pytest.mark.parametrize("what", WORKS)
def test_python_goes_on_working(what):
    done = child("if __name__ == '__main__':\n    " + WORKS[what].strip().replace("\n", "\n    "))
    assert done.returncode == 0, done.stderr


PROGRAMS = {
    "bash": "cat <(echo a) <<< b | sort; (sleep 0 & wait); ulimit -n 50; x=$(ls / | wc -l); kill -0 $$",
    "git": "git init -q . && echo a > a && git add . && git -c user.name=a -c user.email=a@b commit -qm a && "
    "git gc -q && git worktree add -q ../w$$ && git status && git stash list && git grep a && git log -p | cat",
    "gcc": """printf '#include <pthread.h>\n#include <unistd.h>\nvoid *f(void *x) { return x; }\n'\
'int main() { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); return vfork() ? 0 : (_exit(0), 1); }' \
> a.c && gcc -pthread a.c -o a && ./a""",
    "strace": "strace -f -o /dev/null bash -c 'true; true'",
    "gdb": "gdb -batch -ex run --args true",
    "perl": "perl -e 'fork; system(q(true)); wait'",
    "make": "printf 'a b:\n\t@echo $@\n' > Makefile && make -j2 a b",
    "tar": "echo a > a && tar czf a.tgz a && tar xzf a.tgz && tar tzf a.tgz",
    "setarch": "setarch -R true",
    "node": "node -e 'require(`fs`).readFile(`/etc/passwd`, () => require(`child_process`).execSync(`true`))'",
}


@needs_table
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_go_on_working(program, tmp_path):
    if program_path(program) is None:
        pytest.skip(missing_reason(program))
    folder = tmp_path / "work"
    folder.mkdir()
    done = child(f"os.execvp('bash', ['bash', '-ec', {PROGRAMS[program]!r}])", cwd=folder)
    assert done.returncode == 0, done.stderr
