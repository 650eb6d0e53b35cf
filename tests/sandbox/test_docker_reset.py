"""One container for many users: what the one before did is gone for the next, or the next has another container."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import pytest
from time_outs import cut_off

from sandbox import HostRoot, Limits, Place, SandboxDied, SandboxError, SandboxSealed, World
from sandbox.docker_engine import DockerBackend

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can look at a container's layer"),
]

LOOK = """
cat file deep/file /etc/hosts
ls -A . deep /dev/shm /dev/mqueue /dev /tmp /var/tmp "$HOME"
stat -c '%n %a %u %g %s %y' . deep file
tail -n +2 -q /proc/sysvipc/sem /proc/sysvipc/shm /proc/sysvipc/msg /proc/net/tcp
ulimit -n; nice
for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; done | grep -c 'sleep 471[1]'
"""

UNDONE = {
    "nothing": "true",
    "a new file": "echo x >new",
    "new folders": "mkdir -p a/b/c && echo x >a/b/c/file && mkdir deep/more",
    "odd names": "touch -- 'a b' '-rf' \"$(printf 'new\\nline')\" \"$(printf '\\377')\" '*'",
    "links": "ln -s /etc/passwd link; ln -s .. deep/up; ln -s nowhere x; mkfifo pipe",
    "a folder without permissions": "mkdir shut && touch shut/in && chmod 0 shut",
    "temporary files": 'touch /tmp/x /var/tmp/y "$HOME/z"; mkdir /tmp/d; echo x >/tmp/d/e',
    "shared memory": "echo x >/dev/shm/x; mkdir /dev/shm/d; touch /dev/shm/d/y /dev/mine /dev/.hidden",
    "a background process": "sleep 4711 >/dev/null 2>&1 &",
    "a process that hides": "(setsid sh -c 'trap \"\" TERM HUP; sleep 4711' >/dev/null 2>&1 &)",
    "a file made and deleted": "touch deep/gone && rm deep/gone",
    "new files and what runs over them": "echo 'exit 7' >sh; echo 'touch /srv/repo/evil' >\"$HOME/.profile\"",
}
"""What is undone in the same container."""

GIVEN_UP = {
    "a changed file": "echo changed >file",
    "a changed file of the same size and time": (
        "touch -r file /tmp/t; tr t T </srv/repo/file >/tmp/T; cat /tmp/T >file; touch -r /tmp/t file"
    ),
    "a touched file": "touch file",
    "a replaced file": "cp -p file x && mv x file",
    "a deleted file": "rm file",
    "a deleted folder": "rm -r deep",
    "a folder made anew": "rm -r deep && mkdir deep",
    "a changed mode": "chmod 600 file",
    "a changed folder mode": "chmod 700 deep",
    "a renamed folder": "mv deep other",
    "a patched file": "echo again >patched",
    "a patched file deleted": "rm patched",
    "a System V semaphore": "perl -e 'semget(4711, 1, 01600) // die $!'",
    "System V shared memory": "perl -e 'shmget(4711, 1024, 01600) // die $!'",
    "the hosts file": "echo '127.0.0.1 evil' >>/etc/hosts",
    "a device's mode": "chmod 600 /dev/null",
}
"""What is not undone: the next has another container."""

LIMITS_OF_OTHERS = (
    "for p in /proc/[0-9]*; do prlimit --nofile=100:100 --pid ${p#/proc/}; done 2>/dev/null; true"
)


async def patched(backend, tmp_path: Path):
    """A patched sandbox, as the matrix makes one for a candidate."""
    source = tmp_path / "repo"
    (source / "deep").mkdir(parents=True)
    (source / "file").write_text("the text\n")
    (source / "deep/file").write_text("deep\n")
    world = World(root=HostRoot(), places=(Place(source, "/srv/repo"),), workdir="/srv/repo")
    base = await backend.start(world, name="base", limits=Limits())
    await base.run("true")  # as a base is checked: copies start from a committed layer
    sandbox = await base.copy("patched")
    await sandbox.write("patched", b"by the candidate\n")
    return sandbox


@pytest.fixture
async def parent(docker_backend, tmp_path: Path):
    sandbox = await patched(docker_backend, tmp_path)
    yield sandbox
    await sandbox.close()


async def turn(parent, command: str):
    """(what a user's command did, what the container is called)."""
    sandbox = await parent.copy("turn", fresh=False)
    try:
        result = await sandbox.run(command)
        return result, sandbox._lent._sandbox.container
    finally:
        await sandbox.close()


async def test_what_was_added_is_gone_for_the_next(parent):
    before, first = await turn(parent, LOOK)
    assert "by the candidate" not in before.output and not before.reused
    for what, command in UNDONE.items():
        done, container = await turn(parent, command)
        assert (done.exit_code, done.reused, container) == (0, True, first), (what, done.output)
        after, container = await turn(parent, LOOK)
        assert (after.output, after.reused, container) == (before.output, True, first), what


async def test_what_cannot_be_undone_is_given_up(parent):
    def plain(text):  # times of what a container is started with differ from one to the next
        return [line for line in text.splitlines() if not line.startswith((". ", "deep "))]

    before, container = await turn(parent, LOOK)
    for what, command in GIVEN_UP.items():
        done, same = await turn(parent, command)
        assert (done.exit_code, same) == (0, container), (what, done.output)
        after, other = await turn(parent, LOOK)
        assert plain(after.output) == plain(before.output), what
        assert other != container and not after.reused, what
        container = other


async def test_changed_limits_of_the_first_process_are_given_up_where_no_filter_forbids_them(tmp_path):
    for without, given_up in (((), False), (("seccomp",), True)):
        backend = DockerBackend(f"test{secrets.token_hex(4)}", without=without)
        try:
            folder = tmp_path / f"without-{len(without)}"
            parent = await patched(backend, folder)
            before, first = await turn(parent, LOOK)
            await turn(parent, LIMITS_OF_OTHERS)
            after, second = await turn(parent, LOOK)
            assert after.output == before.output or given_up
            assert (first != second, not after.reused) == (given_up, given_up)
        finally:
            await backend.close()


async def test_a_port_that_is_still_busy_is_given_up(parent):
    serve = (
        'perl -MIO::Socket::INET -e \'$s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:4711") or die;'
        ' $c = IO::Socket::INET->new("127.0.0.1:4711") or die; $a = $s->accept; close $a; close $c; close $s\''
    )
    done, first = await turn(parent, serve)
    assert done.exit_code == 0, done.output
    _, second = await turn(parent, "true")
    assert first != second


async def test_users_come_one_at_a_time_and_the_parent_is_sealed(parent):
    first = await parent.copy("first", fresh=False)
    second = asyncio.create_task(parent.copy("second", fresh=False))
    await first.run("echo mine >mine")
    assert not second.done()
    await first.close()
    await first.close()
    sandbox = await second
    assert (await sandbox.run("ls mine 2>/dev/null; cat patched")).output == "by the candidate\n"
    for refused in (first.run("true"), sandbox.copy("of a turn")):
        with pytest.raises(SandboxError):
            await refused
    with pytest.raises(SandboxSealed):
        await parent.run("true")
    await sandbox.close()
    assert await parent.read("patched") == b"by the candidate\n"
    fresh = await parent.copy("fresh")
    assert (await fresh.run("cat patched")).output == "by the candidate\n"
    await fresh.close()


async def test_a_dead_container_is_the_next_ones_no_matter(parent, docker_engine):
    sandbox = await parent.copy("turn", fresh=False)
    docker_engine.api.kill(sandbox._lent._sandbox.container)
    with pytest.raises(SandboxDied):
        await sandbox.run("sleep 1000")
    await sandbox.close()
    after, _ = await turn(parent, "cat patched")
    assert after.output == "by the candidate\n" and not after.reused


async def test_a_time_out_is_no_reason_for_another_container(parent):
    sandbox = await parent.copy("turn", fresh=False)
    ended = await cut_off(
        lambda timeout: sandbox.run("echo x >new; echo begun; sleep 1000", timeout=timeout),
        lambda result: result.output,
    )
    assert (ended.ended, ended.output) == ("timeout", "begun\n")
    await sandbox.close()
    after, _ = await turn(parent, "ls; cat patched")
    assert after.output == "deep\nfile\npatched\nby the candidate\n" and after.reused


async def test_where_nobody_can_look_every_copy_is_fresh(parent, monkeypatch):
    monkeypatch.setattr("sandbox.docker_reset.possible", lambda engine: False)
    one, two = await parent.copy("one", fresh=False), await parent.copy("two", fresh=False)
    await one.run("echo x >new")
    result = await two.run("ls")
    assert result.output == "deep\nfile\npatched\n" and not result.reused
    await one.close()
    await two.close()


async def test_after_a_command_the_container_that_is_handed_on_is_a_copy(docker_backend, tmp_path):
    world = World(root=HostRoot(), places=(Place(tmp_path, "/srv/repo"),), workdir="/srv/repo")
    base = await docker_backend.start(world, name="base", limits=Limits())
    await base.run("echo before >file")
    for reused in (False, True):
        result, container = await turn(base, "cat file; echo x >new; ls")
        assert result.output == "before\nfile\nnew\n" and result.reused == reused
        assert container != base.container
    await base.close()


def test_docker_says_that_its_copies_are_dear():
    assert DockerBackend.cheap_copies is False
