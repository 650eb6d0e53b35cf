"""The exec server in namespaces of its own, run by the bundle, and what code beside it can do to it: nothing."""

# ruff: noqa: ASYNC240 (short looks at the machine from outside)

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from time_outs import cut_off
from waiting import PATIENCE, wait_until_async

from sandbox import DiskFull, NotThere, SandboxDied, SandboxError
from sandbox.disk_count import has_children
from sandbox.docker_bundle import INSIDE, bundle
from sandbox.exec_channel import ExecChannel
from sandbox.inside import wire

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
PYTHON = os.path.realpath(sys.executable)
_USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
UNSHARE = ["unshare", *_USER, "--pid", "--fork", "--mount-proc", "--kill-child"]
# The right to look into every process goes, as in every sandbox; it counts from the next program on.
BARE = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "sh", "-c", 'exec "$@"', "sh"]


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    tried = subprocess.run([*UNSHARE, *BARE, "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no process namespace can be made here: {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("bundles"))


@contextlib.asynccontextmanager
async def opened(made, tmp_path, *, before=(), wrap=()):
    """A channel to a server that was just started. before, wrap: argvs that run another, with and without rights."""
    loop = asyncio.get_running_loop()
    path = tmp_path / secrets.token_hex(4)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        words = [word.replace(INSIDE, str(made.folder)) for word in made.arguments(str(path), "")]
        process = await asyncio.to_thread(subprocess.Popen, [*UNSHARE, *before, *BARE, *wrap, *words])
        stream, _ = await asyncio.wait_for(loop.sock_accept(listener), PATIENCE)
    channel = ExecChannel(
        lambda data: loop.sock_sendall(stream, data), lambda: loop.sock_recv(stream, 1 << 18)
    )
    channel.process, channel.stream = process, stream
    try:
        await channel.open()
        yield channel
    finally:
        await channel.abandon()
        stream.close()
        assert await asyncio.to_thread(process.wait, PATIENCE) is not None


@pytest.fixture
async def channel(made, tmp_path):
    async with opened(made, tmp_path) as channel:
        yield channel


async def run(channel, script, **more):
    return await channel.run(script, **{"timeout": PATIENCE, "env": ENV, **more})


def server_of(channel) -> int:
    """The server's pid out here: the only child of unshare."""
    pid = channel.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


async def test_ten_megabytes_of_any_bytes(channel):
    size = 10 << 20
    result = await run(
        channel, f"head -c {size} /dev/urandom | tee /tmp/winnow-sum.$$ | cat; rm /tmp/winnow-sum.$$"
    )
    assert result.exit_code == 0 and result.cut >= size - (1 << 20)
    everything = bytes(range(256)) * 100
    result = await run(channel, "cat; cat >&2", stdin=everything)
    assert result.output == everything.decode("utf-8", "replace")


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 100, 1 << 16, (1 << 16) + 1, 1 << 18, (1 << 20) + 7])
async def test_head_and_tail_are_exactly_those_of_the_output(channel, limit):
    whole = "".join(f"{number:09}\n" for number in range(300_000))
    result = await run(channel, "seq -f %09.0f 0 299999", output_limit=limit)
    head, tail = whole[: limit - limit // 2], whole[len(whole) - limit // 2 :] if limit // 2 else ""
    assert result.cut == len(whole) - limit
    assert result.output == f"{head}\n[... {result.cut} bytes of output were cut here ...]\n{tail}"


async def test_a_flood_takes_no_memory_on_either_side(channel):
    await run(channel, "true")
    tracemalloc.start()
    try:
        result = await run(channel, "head -c 1000000000 /dev/zero", timeout=200, output_limit=100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    status = Path(f"/proc/{server_of(channel)}/status").read_text()
    most = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert result.cut == 1_000_000_000 - 100_000
    assert peak < 4 << 20 and most < 20_000


async def test_output_comes_while_the_command_runs(channel, monkeypatch):
    """What was printed before a death is not lost with the server."""
    heard, receive = bytearray(), channel._receive

    async def receive_and_note():
        data = await receive()
        heard.extend(data)
        return data

    monkeypatch.setattr(channel, "_receive", receive_and_note)
    running = asyncio.ensure_future(run(channel, "echo last words; sleep 1000"))
    await wait_until_async(lambda: b"last words" in heard, "the output comes")
    os.kill(server_of(channel), 9)
    with pytest.raises(SandboxDied) as caught:
        await running
    assert "last words" in caught.value.__notes__[0]
    assert channel.closed
    with pytest.raises(SandboxDied):
        await run(channel, "true")


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo before; exec >&- 2>&- <&-; sleep 0.2; exit 6", 6, "before\n"),
        ("kill -9 $PPID; exit 3", 3, ""),
        ("kill -STOP 1; kill -INT 1; kill -TERM 1; kill -CHLD 1; exit 4", 4, ""),
        ("kill -9 0", 137, ""),
        ("(sleep 0.05; kill -9 -1) & sleep 1000", 137, ""),
        ("ls /proc/self/fd", 0, "0\n1\n2\n3\n"),
        ("trap '' TERM; sh -c 'kill -TERM $$'; trap - TERM; sh -c 'kill -TERM $$'", 143, None),
        ("umask; cat /proc/self/oom_score_adj", 0, "0022\n500\n"),
        ("cd /usr; echo ${OLDPWD-unset} >/dev/null; env | grep -c OLDPWD", 0, None),
        ('echo "$PWD"; echo "${OLDPWD-none}"; echo $PPID', 0, "/\nnone\n1\n"),
    ],
)
async def test_whatever_a_command_does_it_ends_as_it_says(channel, script, code, output):
    result = await run(channel, script)
    assert (result.exit_code, result.ended) == (code, "exited")
    if output is not None:
        assert result.output == output
    assert (await run(channel, "echo next")).output == "next\n"


async def test_a_long_script_is_the_same_as_a_short_one(channel):
    script = (
        ": '" + "x" * 300_000 + "'\nls /proc/self/fd | tr '\\n' ' '\nsh -c 'ls /proc/self/fd' | wc -l; exit 7"
    )
    result = await run(channel, script)
    assert (result.exit_code, result.output.replace(" ", "")) == (7, "01234\n")


async def test_children_left_behind_neither_block_nor_break(channel):
    writer = "(trap '' PIPE; while echo stray; do sleep 0.001; done) &"
    for _ in range(20):
        assert "started\n" in (await run(channel, f"{writer} echo started")).output
    for number in range(20):
        assert (await run(channel, f"echo {number}")).output == f"{number}\n"
    flood = await run(channel, "yes & sleep 0.1; echo here", output_limit=1000)
    assert flood.exit_code == 0
    assert (await run(channel, "echo still")).output == "still\n"
    await channel.kill_all()
    assert len((await run(channel, "echo /proc/[0-9]*")).output.split()) == 2


async def test_more_children_left_behind_than_descriptors(made, tmp_path):
    async with opened(made, tmp_path, wrap=("prlimit", "--nofile=40:40")) as channel:
        for number in range(60):
            result = await run(channel, f"sleep 1000 & echo {number}")
            assert (result.exit_code, result.output) == (0, f"{number}\n")
        assert (await run(channel, "pgrep -c sleep || ps -e | grep -c sleep")).output.strip() == "60"


async def test_no_zombie_stays(channel):
    await run(channel, "for i in 1 2 3 4 5 6 7 8 9; do (setsid sh -c 'sleep 0.0$i' &) ; done")
    await wait_until_async(lambda: not has_children(server_of(channel)), "the process table is empty")


async def test_frames_in_the_output_are_text(channel):
    forged = wire.frame(wire.DATA, 1, b"forged") + wire.frame(wire.DONE, 1, b"0", b"0", b"0")
    result = await run(channel, "cat; exit 9", stdin=forged)
    assert (result.exit_code, result.output) == (9, forged.decode("utf-8", "replace"))


LOOK_INTO = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
done = []
for path in ("mem", "environ", "maps", "auxv", "fd/0", "cwd", "root", "exe", "syscall", "stack"):
    try:
        (os.readlink if path in ("fd/0", "cwd", "root", "exe") else lambda p: open(p, "rb").read(1))("/proc/1/" + path)
        done.append(path)
    except OSError as error:
        if path == "mem" and error.errno == 5:  # it was opened; nothing lies at address 0
            done.append(path)
if libc.ptrace(0x4206, 1, None, None) == 0:  # PTRACE_SEIZE
    done.append("traced")
local = ctypes.create_string_buffer(8)
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
there = Vector(int(sys.argv[1], 16), 8)
here = Vector(ctypes.addressof(local), 8)
if libc.process_vm_readv(1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 8:
    done.append("read")
print(" ".join(done))
"""


async def look_into(channel):
    maps = Path(f"/proc/{server_of(channel)}/maps").read_text().splitlines()
    address = next(line.split("-")[0] for line in maps if "[heap]" in line or " rw-p " in line)
    return (await run(channel, f"{PYTHON} -I - {address}", stdin=LOOK_INTO.encode())).output.split()


async def test_the_server_cannot_be_traced_or_looked_into(channel):
    assert await look_into(channel) == []


async def test_one_whose_loader_may_be_read_could_be(tmp_path):
    """The attack above is a real one: it succeeds where the protection is taken away."""
    open_one = bundle(tmp_path)
    (open_one.folder / "loader").chmod(0o755)
    async with opened(open_one, tmp_path) as channel:
        assert {"mem", "environ", "maps", "traced", "read"} <= set(await look_into(channel))


async def test_a_server_that_was_starved_is_a_death_never_a_lie(channel):
    starve = f"{PYTHON} -I -c 'import resource; resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))'"
    with pytest.raises(SandboxDied):
        await run(channel, starve)
        await run(channel, "true")


async def test_the_end_of_the_stream_is_the_end_of_everything(made, tmp_path, marked):
    async with opened(made, tmp_path) as channel:
        await run(
            channel, f"setsid nohup {marked.sleep} >/dev/null 2>&1 & trap '' HUP TERM; {marked.sleep} & echo"
        )
        await marked.there(2)
    assert marked.alive() == []


def test_it_refuses_where_it_is_not_the_first_process(made):
    ours, theirs = socket.socketpair()
    words = [
        PYTHON,
        "-I",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom sandbox.inside.server import serve\n",
    ]
    words[-1] += f"serve({theirs.fileno()}, {theirs.fileno()})"
    with ours, theirs:
        ended = subprocess.run(
            [*words, str(Path(__file__).parents[2])],
            pass_fds=[theirs.fileno()],
            check=False,
            timeout=PATIENCE,
        )
        ((kind, _, fields),) = wire.Frames().feed(ours.recv(1000))
    assert ended.returncode == 97 and kind == wire.FAILED and b"namespace" in fields[1]


async def test_a_time_out_kills_all_and_what_was_printed_stays(channel):
    script = "trap '' TERM; setsid sleep 1000 & echo part; sleep 1000"
    result = await cut_off(
        lambda timeout: run(channel, script, timeout=timeout), lambda result: result.output
    )
    assert (result.exit_code, result.ended, result.output) == (124, "timeout", "part\n")
    assert len((await run(channel, "echo /proc/[0-9]*")).output.split()) == 2


async def test_a_fork_bomb_is_ended_by_its_time_out(made, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root has no limit on processes but that of its control group: see the docker tests")
    async with opened(made, tmp_path, wrap=("prlimit", "--nproc=300")) as channel:
        result = await run(channel, "b() { b | b & }; b; exec sleep 1000", timeout=2)
        assert result.ended == "timeout"
        assert (await run(channel, "echo next")).output.endswith("next\n")


async def test_a_stop_ends_the_command_with_its_reason(channel, marked):
    running = asyncio.ensure_future(run(channel, f"printf begun; {marked.sleep}"))
    await marked.there()
    await channel.stop("disk", "[killed: too much]")
    result = await running
    assert (result.exit_code, result.ended, result.output) == (137, "disk", "begun\n[killed: too much]\n")
    await run(channel, "sleep 1000 &")
    await channel.stop("disk", "unsaid")
    result = await run(channel, "echo /proc/[0-9]*")
    assert len(result.output.split()) == 2 and result.ended == "exited"


async def test_a_cancelled_command_ends_with_the_next(channel):
    for timeout in (0.0, 0.01, 0.2):
        running = asyncio.ensure_future(run(channel, "yes; sleep 100", stdin=b"x" * 3_000_000))
        await asyncio.sleep(timeout)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await run(channel, "echo new")).output == "new\n"
        assert len((await run(channel, "echo /proc/[0-9]*")).output.split()) == 2
    content = os.urandom(30_000_000)
    await channel.write("/tmp/winnow-large", content)
    reading = asyncio.ensure_future(channel.read("/tmp/winnow-large"))
    await asyncio.sleep(0.01)
    reading.cancel()
    try:
        assert await channel.read("/tmp/winnow-large", 10) == content[:10]
    finally:
        os.unlink("/tmp/winnow-large")


async def test_nothing_piles_up_in_the_server(channel, tmp_path):
    def held():
        pid = server_of(channel)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return len(os.listdir(f"/proc/{pid}/fd")), pages

    async def everything():
        await run(channel, "echo x; (sleep 0.01 &)", stdin=b"x" * 1000)
        await run(channel, "cat nowhere", cwd="/not/there")
        await run(channel, ": '" + "x" * 150_000 + "'")
        await channel.write(f"{tmp_path}/file", b"x" * 300_000)
        await channel.read(f"{tmp_path}/file")
        with contextlib.suppress(NotThere):
            await channel.read(str(tmp_path))

    for _ in range(10):
        await everything()
    await channel.kill_all()
    files, pages = held()
    for _ in range(100):
        await everything()
    await channel.kill_all()
    # The last pipe is closed when its end is seen, a moment after the processes are gone.
    await wait_until_async(lambda: held()[0] <= files, "as many descriptors as before")
    assert held()[1] < pages + 256


async def test_a_stop_that_crosses_the_end_changes_nothing(channel):
    for _ in range(20):
        running = asyncio.ensure_future(run(channel, "exit 5"))
        await asyncio.sleep(0.001)
        await channel.stop("disk", "[killed]")
        result = await running
        assert (result.exit_code, result.ended) in ((5, "exited"), (137, "disk"))
        assert ("[killed]" in result.output) == (result.ended == "disk")


WAYS_TO_THE_SERVER = [
    "/proc/self/exe",
    "/proc/self/mem",
    "/proc/1/environ",
    "/proc/thread-self/root/etc/passwd",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd/etc/passwd",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/dev/stdin",
    "/dev/fd/4",
    "/proc/meminfo",
]


@pytest.mark.parametrize("way", WAYS_TO_THE_SERVER)
async def test_no_path_leads_through_the_servers_own_proc(channel, tmp_path, way):
    (tmp_path / "link").symlink_to(way)
    (tmp_path / "far").symlink_to("link")
    (tmp_path / "folder").symlink_to(os.path.dirname(way))
    before = (await run(channel, "cat /proc/self/oom_score_adj; md5sum /bin/sh")).output
    for path in (way, tmp_path / "link", tmp_path / "far", tmp_path / "folder" / os.path.basename(way)):
        with pytest.raises(NotThere):
            await channel.read(str(path))
        with pytest.raises(SandboxError):
            await channel.write(str(path), b"overwritten" * 100)
    assert (await run(channel, "cat /proc/self/oom_score_adj; md5sum /bin/sh")).output == before


async def test_files_of_every_kind(channel, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to("../" * 30 + str(tmp_path)[1:] + "/./file")
    (tmp_path / "chain0").symlink_to("file")
    for number in range(45):
        (tmp_path / f"chain{number + 1}").symlink_to(f"chain{number}")
    assert await channel.read(f"{tmp_path}/up") == b"content"
    assert await channel.read(f"{tmp_path}//./x/../file".replace("x/../", "")) == b"content"
    assert await channel.read(f"{tmp_path}/chain38") == b"content"
    for name in ("pipe", "loop", "chain45", "file/x", "none", ".", "..", "", "n" * 300):
        with pytest.raises(NotThere):
            await channel.read(f"{tmp_path}/{name}")
    for name in ("pipe", "loop", "file/x", ".", "n" * 300):
        with pytest.raises(SandboxError):
            await channel.write(f"{tmp_path}/{name}", b"x")
    (tmp_path / "dangling").symlink_to("new/place")
    (tmp_path / "new").mkdir()
    await channel.write(f"{tmp_path}/dangling", b"made", 0o640)
    assert (tmp_path / "new/place").read_bytes() == b"made"
    assert (tmp_path / "new/place").stat().st_mode & 0o777 == 0o640
    await channel.write(f"{tmp_path}/a/b/c", b"")
    assert await channel.read(f"{tmp_path}/a/b/c") == b""
    with pytest.raises(SandboxError, match="NUL"):
        await channel.read(f"{tmp_path}/\0")


async def test_a_file_that_grows_is_read_as_far_as_it_went(channel, tmp_path):
    growing = f"{tmp_path}/growing"
    await run(channel, f"(while cat /bin/sh; do :; done >{growing}) & until [ -s {growing} ]; do :; done")
    assert len(await channel.read(growing)) > 1000
    await channel.kill_all()


async def test_a_large_file_arrives_whole_or_its_first_failure_is_told(channel, tmp_path):
    content = os.urandom(20_000_001)
    await channel.write(f"{tmp_path}/large", content, 0o600)
    assert (tmp_path / "large").read_bytes() == content
    assert (tmp_path / "large").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SandboxError, match="directory"):
        await channel.write(str(tmp_path), content)
    if Path("/dev/full").exists():
        (tmp_path / "full").symlink_to("/dev/full")
        with pytest.raises(SandboxError):
            await channel.write(f"{tmp_path}/full", content)
    writing = asyncio.ensure_future(channel.write(f"{tmp_path}/large", content * 2))
    await asyncio.sleep(0.02)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await channel.write(f"{tmp_path}/large", b"new")
    assert await channel.read(f"{tmp_path}/large") == b"new"


async def test_a_full_disk_has_its_name(made, tmp_path):
    small = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=1m none /mnt; exec "$@"', "sh")
    async with opened(made, tmp_path, before=small) as channel:
        with pytest.raises(DiskFull, match="/mnt/x"):
            await channel.write("/mnt/x", b"x" * 3_000_000)
        assert (await run(channel, "rm /mnt/x")).exit_code == 0
        await channel.write("/mnt/x", b"x")


async def test_odd_requests_are_sentences(channel):
    with pytest.raises(SandboxError, match="NUL"):
        await run(channel, "echo a\0b")
    with pytest.raises(SandboxError, match="name"):
        await run(channel, "true", env={"A-B": "1"})
    with pytest.raises(SandboxError, match="cannot be started"):
        await run(channel, "true", env={"LARGE": "x" * 200_000})
    with pytest.raises(SandboxError, match="8 MB"):
        await run(channel, "true", env={"LARGE": "x" * 9_000_000})
    missing = await run(channel, "echo never", cwd="/not/there")
    assert (missing.exit_code, missing.output) == (126, "cannot enter the folder /not/there\n")
    assert (await run(channel, "pwd", cwd="/usr/../usr/./lib")).output == "/usr/lib\n"
