"""The life of a docker sandbox on the real engine: start, copy, death, its owner's death, what is left."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE, wait_until_async

from sandbox import Limits, Place, SandboxDied, SandboxError, SandboxSealed, World
from sandbox.docker_engine import DockerBackend
from sandbox.docker_leftovers import clean_docker
from sandbox.protocol import CannotStart, HostRoot, RootFs

# Cleaning takes what any dead owner left: tests that clean must not run beside those that leave something on purpose.
pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("clean")]
SMALL = Limits(memory=256 << 20, processes=64, timeout=PATIENCE)


def images_of(engine, run, repository):
    found = engine.api.images(filters={"label": [f"winnow.run={run}"]})
    return [image for image in found if any(tag.startswith(repository) for tag in image["RepoTags"] or ())]


async def test_places_are_shown_as_they_are_and_the_host_never_changes(docker_backend, docker_world):
    one, two = [await docker_backend.start(docker_world, name=name, limits=SMALL) for name in ("one", "two")]
    seen = await one.run("cat link; stat -c ' %a %u' script; echo changed >deep/file; rm script; echo >new")
    assert seen.output == "from the host 755 0\n"
    assert await one.read("deep/file") == b"changed\n"
    assert await two.read("deep/file") == b"from the host"
    source = docker_world.places[0].source
    assert (source / "deep/file").read_text() == "from the host"
    assert sorted(os.listdir(source)) == ["deep", "link", "out", "script"]


async def test_a_link_of_the_place_is_resolved_inside(docker_backend, docker_world):
    sandbox = await docker_backend.start(docker_world, name="links", limits=SMALL)
    assert b"app:x:1234" in await sandbox.read("out")
    await sandbox.write("/etc/passwd", b"mine")
    assert await sandbox.read("out") == b"mine"
    assert (await asyncio.to_thread(Path("/etc/passwd").read_bytes)) != b"mine"


async def test_the_environment_is_exactly_the_worlds(docker_backend, docker_world, monkeypatch):
    monkeypatch.setenv("WINNOW_SECRET", "sk-123")
    world = World(docker_world.root, workdir="/", env={"A": "b c", "LANG": "C"})
    sandbox = await docker_backend.start(world, name="env", limits=SMALL)
    lines = (await sandbox.run("env", env={"EXTRA": "x"})).output.split("\n")
    names = {line.partition("=")[0] for line in lines if line}
    assert names <= {"PATH", "HOME", "LANG", "TMPDIR", "A", "EXTRA", "PWD", "OLDPWD", "_", "SHLVL"}
    assert {"A=b c", "LANG=C", "EXTRA=x", "HOME=/tmp/home"} <= set(lines)


async def test_copies_after_writes_only_make_no_image(docker_backend, docker_engine, docker_world, run_name):
    parent = await docker_backend.start(docker_world, name="parent", limits=SMALL)
    await parent.write("new/f", b"\x00\xff", 0o755)
    await parent.write("new/f", b"second", 0o700)
    children = await asyncio.gather(*(parent.copy(f"child{n}") for n in range(3)))
    assert images_of(docker_engine, run_name, "winnow-copy") == []
    for number, child in enumerate(children):
        assert (await child.run("cat new/f; stat -c %a new/f")).output == "second700\n"
        await child.write("mine", b"%d" % number)
    assert [await child.read("mine") for child in children] == [b"0", b"1", b"2"]
    with pytest.raises(SandboxSealed):
        await parent.write("x", b"")


async def test_copies_after_a_run_share_one_image_that_goes_with_its_last_user(
    docker_backend, docker_engine, docker_world, run_name
):
    parent = await docker_backend.start(docker_world, name="parent", limits=SMALL)
    await parent.run("echo state >deep/file; rm script; sleep 1000 & echo >/tmp/marker")
    one, two = await asyncio.gather(parent.copy("one"), parent.copy("two"))
    assert len(images_of(docker_engine, run_name, "winnow-copy")) == 1
    assert await parent.read("deep/file") == b"state\n"
    with pytest.raises(SandboxSealed):
        await parent.run("true")
    await parent.close()
    seen = await one.run("cat deep/file; ls; ls /tmp; ps -e -o args")
    assert seen.output.startswith("state\n") and "script" not in seen.output and "marker" in seen.output
    assert "sleep 1000" not in seen.output
    await one.run("echo grand >child")
    grandchild = await one.copy("grand")
    await one.close()
    await two.close()
    assert await grandchild.read("child") == b"grand\n"
    assert await grandchild.read("deep/file") == b"state\n"
    await grandchild.close()
    assert images_of(docker_engine, run_name, "winnow-copy") == []


async def test_a_parent_may_be_closed_while_its_copy_starts(docker_backend, docker_world):
    parent = await docker_backend.start(docker_world, name="parent", limits=SMALL)
    await parent.run("echo 1 >f")
    copying = asyncio.create_task(parent.copy("child"))
    await asyncio.sleep(0.15)
    await parent.close()
    try:
        child = await copying
    except SandboxError:  # the close came before the commit: no copy, but no mess either
        return
    assert await child.read("f") == b"1\n"


async def test_the_layer_of_a_world_is_made_once_for_many_starts(docker_backend, docker_world, monkeypatch):
    from sandbox import docker_engine as module

    made = []
    monkeypatch.setattr(
        module, "place_layer", lambda *a, real=module.place_layer, **k: (made.append(1), real(*a, **k))[1]
    )
    starts = (docker_backend.start(docker_world, name=f"n{n}", limits=SMALL) for n in range(5))
    sandboxes = await asyncio.gather(*starts)
    assert len(made) == 1
    assert {(await one.read("deep/file")) for one in sandboxes} == {b"from the host"}


async def test_a_failed_layer_is_no_verdict_for_ever(docker_backend, docker_rootfs, tmp_path):
    world = World(RootFs(docker_rootfs), (Place(tmp_path / "late", "/srv/repo"),), "/srv/repo")
    with pytest.raises(CannotStart, match="late"):
        await docker_backend.start(world, name="x", limits=SMALL)
    (tmp_path / "late").mkdir()
    (tmp_path / "late/f").write_text("now")
    sandbox = await docker_backend.start(world, name="x", limits=SMALL)
    assert await sandbox.read("f") == b"now"


async def test_a_pruned_layer_is_made_again(docker_backend, docker_engine, docker_world, run_name):
    await (await docker_backend.start(docker_world, name="one", limits=SMALL)).close()
    for image in images_of(docker_engine, run_name, "winnow-layer"):
        docker_engine.api.remove_image(image["Id"])
    sandbox = await docker_backend.start(docker_world, name="two", limits=SMALL)
    assert await sandbox.read("deep/file") == b"from the host"


async def test_killed_from_outside_is_a_death_not_a_result(
    docker_backend, docker_engine, docker_world, marked, monkeypatch
):
    monkeypatch.setattr("sandbox.docker_engine.DEATH_NEWS", PATIENCE)
    sandbox = await docker_backend.start(docker_world, name="victim", limits=SMALL)
    running = asyncio.create_task(sandbox.run(marked.sleep))
    await marked.there()
    docker_engine.api.kill(sandbox.container)
    with pytest.raises(SandboxDied, match="killed from outside"):
        await running
    with pytest.raises(SandboxDied):
        await sandbox.run("true")
    with pytest.raises(SandboxDied):
        await sandbox.read("link")
    with pytest.raises(SandboxDied):
        await sandbox.copy("child")
    await sandbox.close()


async def test_a_command_that_kills_everything_it_can_ends_nothing_of_ours(docker_backend, docker_world):
    sandbox = await docker_backend.start(docker_world, name="suicide", limits=SMALL)
    script = "setsid sleep 1000 & kill -9 -1; kill -9 1; kill -STOP 1; kill -INT 1; kill -9 $PPID; exit 5"
    assert (await sandbox.run(script)).exit_code == 5
    assert (await sandbox.run("echo next")).output == "next\n"
    assert (await sandbox.run("kill -9 $$")).exit_code == 137


async def test_close_ends_a_running_command_and_twice_is_no_error(
    docker_backend, docker_engine, docker_world, marked
):
    sandbox = await docker_backend.start(docker_world, name="busy", limits=SMALL)
    running = asyncio.create_task(sandbox.run(f"trap '' TERM HUP; {marked.sleep}"))
    await marked.there()
    await asyncio.gather(sandbox.close(), sandbox.close())
    with pytest.raises(SandboxDied):
        await running
    with pytest.raises(SandboxError):
        await sandbox.run("true")
    assert docker_engine.api.containers(all=True, filters={"id": sandbox.container}) == []


async def test_a_cancelled_start_leaves_nothing(docker_backend, docker_engine, docker_world, run_name):
    await docker_backend.start(docker_world, name="warm", limits=SMALL)
    cut = 0
    for delay in (0.0, 0.001, 0.02, 0.06, 0.12, 0.2):
        starting = asyncio.create_task(docker_backend.start(docker_world, name="cut", limits=SMALL))
        await asyncio.sleep(delay)
        starting.cancel()
        try:
            await (await starting).close()  # a quick engine has it started before all but the first two
        except asyncio.CancelledError:
            cut += 1
    assert cut >= 2
    ours = docker_engine.api.containers(all=True, filters={"label": [f"winnow.run={run_name}"]})
    assert len(ours) == 1


OWNER = """
import asyncio, sys
from pathlib import Path
from sandbox.docker_engine import DockerBackend
from sandbox.protocol import HostRoot, Limits, World

async def main():
    backend = DockerBackend(sys.argv[1])
    sandbox = await backend.start(World(HostRoot()), name="orphan", limits=Limits())
    await sandbox.run("echo >state")
    await sandbox.copy("orphan")
    other = await backend.start(World(HostRoot()), name="orphan", limits=Limits())
    stubborn = "trap '' TERM HUP INT; setsid sh -c \\"trap '' TERM HUP; {0}\\" & {0}"
    running = asyncio.create_task(other.run(stubborn.format(sys.argv[2])))
    print("ready", flush=True)
    await running

asyncio.run(main())
"""


async def test_containers_end_with_an_owner_that_was_killed_and_clean_takes_the_rest(
    docker_engine, run_name, marked
):
    owner = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", OWNER, run_name, marked.sleep], stdout=subprocess.PIPE, text=True
    )
    ours = {"label": [f"winnow.run={run_name}"]}
    try:
        assert await asyncio.to_thread(owner.stdout.readline) == "ready\n"
        await marked.there(2)
        assert len(docker_engine.api.containers(filters=ours)) == 3
        assert len(docker_engine.api.images(filters=ours)) == 2
        with pytest.raises(SandboxError, match="still going"):
            clean_docker(run_name, engine=docker_engine)
        clean_docker(engine=docker_engine)
        assert len(docker_engine.api.containers(filters=ours)) == 3
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
    await wait_until_async(
        lambda: not docker_engine.api.containers(all=True, filters=ours), "no container outlives its owner"
    )
    said = clean_docker(engine=docker_engine)
    assert len([line for line in said if run_name in line]) == 2
    assert docker_engine.api.images(filters=ours) == []


async def test_clean_of_one_run_leaves_another_alone(docker_backend, docker_engine, docker_world):
    sandbox = await docker_backend.start(docker_world, name="mine", limits=SMALL)
    stray = docker_engine.api.create_container(
        docker_engine.api.inspect_container(sandbox.container)["Image"],
        command="true",
        labels={"winnow.run": "some-other-run", "winnow.owner": "elsewhere", "winnow.kind": "sandbox"},
    )
    foreign = {"label": ["winnow.run=some-other-run"]}
    try:
        assert clean_docker("no-such-run", engine=docker_engine) == []
        clean_docker(engine=docker_engine)  # nobody here can tell whether its owner lives
        assert len(docker_engine.api.containers(all=True, filters=foreign)) == 1
        said = clean_docker("some-other-run", engine=docker_engine)
        assert len(said) == 1 and docker_engine.api.containers(all=True, filters=foreign) == []
        assert (await sandbox.run("echo here")).output == "here\n"
    finally:
        if docker_engine.api.containers(all=True, filters=foreign):
            docker_engine.api.remove_container(stray["Id"], force=True)


async def test_two_backends_of_two_runs_do_not_take_each_others_things(
    docker_backend, docker_world, run_name
):
    other = DockerBackend(f"{run_name}-b")
    mine = await docker_backend.start(docker_world, name="a", limits=SMALL)
    theirs = await other.start(docker_world, name="a", limits=SMALL)
    assert (await theirs.run("cat link")).exit_code == 0
    await other.close()
    assert (await mine.run("cat link")).output == "from the host"
    with pytest.raises(CannotStart, match="closed"):
        await other.start(docker_world, name="late", limits=SMALL)


async def test_host_root_shows_programs_and_hides_the_rest(docker_backend, tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/f").write_text("x")
    target = "/opt/its/own/place"
    world = World(HostRoot(), (Place(tmp_path / "repo", target),), target)
    sandbox = await docker_backend.start(world, name="host", limits=SMALL)
    seen = await sandbox.run("git --version && python3 -c 'import ssl, sqlite3' && cat f && echo y >>f")
    assert seen.exit_code == 0, seen.output
    hidden = await sandbox.run(
        "ls -A /root /home /run /mnt /usr/local/etc; echo; cat /etc/shadow; ls /var/run/docker.sock; touch /usr/x"
    )
    assert "Read-only" in hidden.output and "docker.sock': No such" in hidden.output
    assert "/etc/shadow: No such" in hidden.output
    for folder in ("/root", "/home", "/run", "/usr/local/etc"):
        assert f"{folder}:\n\n" in hidden.output
    assert (await (await sandbox.copy("again")).run("cat f")).output == "xy\n"


async def test_a_place_below_a_shown_folder_is_private_too(docker_backend, tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/f").write_text("x")
    target = "/usr/share/winnow-test-place"
    sandbox = await docker_backend.start(
        World(HostRoot(), (Place(tmp_path / "repo", target),), target), name="deep", limits=SMALL
    )
    seen = await sandbox.run(
        "echo y >>f; cat f; ls /usr/share/zoneinfo | wc -l; python3 -c 'print(1)'; touch /usr/lib/x"
    )
    lines = seen.output.splitlines()
    assert lines[0] == "xy" and int(lines[1]) > 0 and lines[2] == "1" and "Read-only" in lines[3]
    assert "winnow-test-place" not in os.listdir("/usr/share")
