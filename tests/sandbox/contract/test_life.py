"""Life: start, copy, seal, close, death, the owner's death, and what is left behind (nothing)."""

import asyncio
import dataclasses
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import (
    CannotStart,
    HostRoot,
    NotThere,
    Place,
    RootFs,
    SandboxDied,
    SandboxError,
    SandboxSealed,
    World,
    clean,
    open_backend,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("clean")]


async def test_a_copy_has_the_files_and_nothing_flows_back(sandbox):
    await sandbox.write("made", b"before")
    await sandbox.run("rm run.sh; echo x >/tmp/scratch; mkdir sub/new; chmod 600 file")
    one, two = await sandbox.copy("one"), await sandbox.copy("two")
    try:
        for copy in (one, two):
            seen = await copy.run("ls; cat made /tmp/scratch; stat -c %a file; ls sub")
            assert seen.output == "file\nmade\nsub\nbeforex\n600\ndeep\nnew\n"
        await one.run("echo one >made; rm -r sub; mv file moved")
        assert await two.read("made") == b"before"
        assert await two.read("sub/deep") == b"deep\n"
        with pytest.raises(NotThere):
            await two.read("moved")
        assert await sandbox.read("made") == b"before"
    finally:
        await one.close()
        await two.close()


async def test_copying_seals(sandbox):
    await sandbox.run(
        "echo kept >kept; (while :; do echo x >>growing; sleep 0.01; done) & until [ -s growing ]; do :; done"
    )
    one = await sandbox.copy("one")
    with pytest.raises(SandboxSealed):
        await sandbox.run("true")
    with pytest.raises(SandboxSealed):
        await sandbox.write("x", b"")
    assert await sandbox.read("kept") == b"kept\n"
    await asyncio.sleep(0.3)
    two = await sandbox.copy("two")
    assert await one.read("growing") == await two.read("growing"), "a child wrote into what copies share"
    assert "sleep" not in (await one.run("cat /proc/[0-9]*/cmdline")).output, "processes are not copied"
    await one.close()
    await two.close()


async def test_ten_copies_deep(sandbox):
    here, opened = sandbox, []
    try:
        for depth in range(10):
            await here.run(f"echo {depth} >level{depth}; echo {depth} >>all; rm -f level{depth - 2}")
            here = await here.copy(f"depth{depth}")
            opened.append(here)
        assert await here.read("all") == b"".join(b"%d\n" % depth for depth in range(10))
        assert (await here.run("ls -d level*")).output == "level8\nlevel9\n"
        for parent in (sandbox, *opened[:-1]):  # the layers below go with the last that stands on them
            await parent.close()
        assert await here.read("all") == b"".join(b"%d\n" % depth for depth in range(10))
        assert await here.read("sub/deep") == b"deep\n"
    finally:
        for copy in opened:
            await copy.close()


async def test_copies_in_parallel(sandbox):
    await sandbox.write("base", b"base")

    async def one(number):
        copy = await sandbox.copy(f"copy{number}")
        try:
            await copy.write("base", b"%d" % number)
            await copy.run("sleep 0.1")
            return await copy.read("base")
        finally:
            await copy.close()

    assert await asyncio.gather(*map(one, range(6))) == [b"%d" % number for number in range(6)]
    assert await sandbox.read("base") == b"base"


async def test_closing_ends_everything_and_may_be_repeated(sandbox, marked):
    await sandbox.run(f"setsid {marked.sleep} & echo")
    await marked.there()
    await asyncio.gather(sandbox.close(), sandbox.close())
    await sandbox.close()
    await marked.gone()
    for attempt in (sandbox.run("true"), sandbox.read("file"), sandbox.copy("late")):
        with pytest.raises(SandboxError):
            await attempt


async def test_closing_in_the_middle_of_a_command_is_a_death(sandbox, marked):
    running = asyncio.ensure_future(sandbox.run(marked.sleep))
    await marked.there()
    await sandbox.close()
    with pytest.raises(SandboxError):
        await running


async def test_a_killed_sandbox_is_told_apart_from_a_failed_command(sandbox, marked):
    assert (await sandbox.run("kill -9 $$")).exit_code == 137
    await sandbox.run(f"{marked.sleep} &")
    running = asyncio.ensure_future(sandbox.run(marked.sleep))
    await marked.there(2)
    # An ordinary user cannot look at the first process's namespaces: it is not dumpable.
    for pid in [sandbox.pid] if hasattr(sandbox, "pid") else _inits(marked.alive()[0]):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(SandboxDied):
        await running
    with pytest.raises(SandboxDied):
        await sandbox.run("true")
    await marked.gone()


def _inits(pid: int) -> list[int]:
    """The processes that are number 1 in the namespace that `pid` lives in."""
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            same = os.readlink(f"/proc/{entry}/ns/pid") == namespace
            line = next(
                x for x in Path("/proc", entry, "status").read_text().splitlines() if x.startswith("NSpid")
            )
        except (OSError, StopIteration):
            continue
        if same and line.split()[-1] == "1":
            found.append(int(entry))
    return found


OWNER = """
import asyncio, sys
from pathlib import Path
from sandbox import *
async def main(kind, run, state, source, sleep):
    backend = open_backend(kind, run, Path(state))
    world = World(places=(Place(Path(source), "/place"),), workdir="/place")
    parent = await backend.start(world, name="parent", limits=Limits())
    await parent.write("made", b"x" * 1000)
    children = [await parent.copy(f"child{n}") for n in range(2)]
    await children[0].run(f"setsid {sleep} >/dev/null 2>&1 & {sleep} &")
    task = asyncio.ensure_future(children[1].run(f"trap '' HUP TERM INT; {sleep}; {sleep}"))
    print("ready", flush=True)
    await task
asyncio.run(main(*sys.argv[1:]))
"""


def _owner(kind, run, state, source, sleep) -> subprocess.Popen:
    root = str(Path(__file__).parents[3])
    argv = [sys.executable, "-c", OWNER, kind, run, str(state), str(source), sleep]
    owner = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": root})
    assert owner.stdout.readline() == b"ready\n"
    return owner


async def test_sandboxes_die_with_their_owner_and_the_rest_is_cleaned(
    kind, tmp_path, source, marked, backend, world, limits
):
    state = tmp_path / "state"
    run, other = f"killed-{secrets.token_hex(4)}", f"living-{secrets.token_hex(4)}"
    neighbour = open_backend(kind, other, state)
    living = await neighbour.start(world, name="living", limits=limits)
    try:
        owner = _owner(kind, run, state, source, marked.sleep)
        await marked.there(3)
        owner.kill()
        owner.wait()
        owner.stdout.close()
        await marked.gone()
        removed = await asyncio.to_thread(clean, state)
        if kind == "overlay":
            assert removed[:1] == [f"overlay layers of run {run}"]
            assert sorted(os.listdir(state)) == [other]
        else:
            assert removed
            assert not _engine_has(run)
        assert (await living.run("cat file")).output == "from the host\n", "another run's sandbox was touched"
        copy = await living.copy("still")
        assert (await copy.run("cat file")).output == "from the host\n"
    finally:
        await neighbour.close()


def _engine_has(run: str) -> bool:
    shown = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=winnow.run={run}"], capture_output=True, check=True
    )
    return bool(shown.stdout.strip())


async def test_two_runs_do_not_touch_each_other(kind, backend, state, world, limits):
    other = open_backend(kind, f"second-{secrets.token_hex(4)}", state)
    mine = await backend.start(world, name="same", limits=limits)
    theirs = await other.start(world, name="same", limits=limits)
    try:
        await mine.write("who", b"mine")
        await theirs.write("who", b"theirs")
        assert await mine.read("who") == b"mine"
        await other.close()
        await other.close()
        assert (await mine.run("cat who")).output == "mine"
        with pytest.raises(SandboxError):
            await theirs.run("true")
    finally:
        await mine.close()
        await other.close()


async def test_many_starts_at_once(backend, world, limits):
    opened = await asyncio.gather(*(backend.start(world, name=f"n{n}", limits=limits) for n in range(5)))
    try:
        results = await asyncio.gather(*(one.run(f"echo {n} >who; cat who") for n, one in enumerate(opened)))
        assert [result.output for result in results] == [f"{n}\n" for n in range(5)]
    finally:
        await asyncio.gather(*(one.close() for one in opened))


async def test_places_inside_places_and_odd_paths(backend, limits, tmp_path):
    outer, inner = tmp_path / "a:b,c\\d 'e", tmp_path / "in ner"
    for folder, text in ((outer, "outer"), (inner, "inner")):
        folder.mkdir()
        (folder / "name").write_text(text)
    world = World(
        places=(Place(inner, "/srv/out er/venv"), Place(outer, "/srv/out er")), workdir="/srv/out er"
    )
    sandbox = await backend.start(world, name="odd", limits=limits)
    try:
        assert (await sandbox.run("cat name venv/name")).output == "outerinner"
        await sandbox.write("venv/new", b"x")
        copy = await sandbox.copy("odd2")
        assert (await copy.run("cat name venv/name venv/new")).output == "outerinnerx"
        await copy.close()
        assert os.listdir(inner) == ["name"]
    finally:
        await sandbox.close()


@pytest.mark.parametrize(
    "extra",
    [
        ("/usr",),  # the home of the system's own Python
        ("/usr/", "/usr/lib"),
        ("/bin", "/bin/"),  # a link, where /usr is merged
        (sys.base_prefix, sys.base_prefix),
        (f"{sys.base_prefix}/bin/..", sys.base_prefix),
    ],
    ids=str,
)
async def test_programs_that_are_shown_anyway_or_asked_for_twice(backend, limits, extra):
    sandbox = await backend.start(World(root=HostRoot(extra=extra)), name="twice", limits=limits)
    try:
        assert (await sandbox.run("ls /usr/bin/env && echo there")).output.endswith("there\n")
    finally:
        await sandbox.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"places": (Place(Path("/not/there"), "/x"),)},
        {"places": (Place(Path("/usr/bin/env"), "/x"),)},
        {"places": (Place(Path("/usr/share"), "relative"),)},
        {"places": (Place(Path("/usr/share"), "/"),)},
        {"places": (Place(Path("/usr/share"), "/proc/x"),)},
        {"root": HostRoot(extra=("/not/there",))},
        {"root": HostRoot(extra=("/",))},
        {"root": HostRoot(extra=("/run",))},
        {"root": HostRoot(extra=(os.path.expanduser("~"),))},
        {"root": RootFs(Path("/not/there"))},
    ],
    ids=str,
)
async def test_a_wrong_world_is_a_sentence(backend, world, limits, wrong):
    with pytest.raises(CannotStart) as caught:
        await backend.start(dataclasses.replace(world, **wrong), name="wrong", limits=limits)
    assert len(str(caught.value)) > 30
