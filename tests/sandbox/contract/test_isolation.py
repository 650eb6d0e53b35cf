"""Isolation: what of the host a sandbox can see or reach. Each of these was a way out of a published system."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 (short looks at the machine from outside)

import asyncio
import contextlib
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until_async

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print('reached')"


@contextlib.asynccontextmanager
async def listener():
    """A server on the host's loopback. -> its port and the list of those who came."""
    came = []

    async def serve(reader, writer):
        came.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came


async def test_the_hosts_loopback_cannot_be_reached(shared, python):
    async with listener() as (port, came):
        result = await shared.run(f'{python} -c "{CONNECT}" {port}')
        assert result.exit_code != 0 and "reached" not in result.output
        assert came == []
    names = (await shared.run("cat /proc/net/dev | tail -n +3 | cut -d: -f1")).output.split()
    assert set(names) <= {"lo"}


async def test_a_world_may_ask_for_the_hosts_network(backend, world, limits, python):
    """The word in the recipe works, which also shows that the test above could fail."""
    open_world = dataclasses.replace(world, network="host")
    sandbox = await backend.start(open_world, name="open", limits=limits)
    try:
        async with listener() as (port, came):
            result = await sandbox.run(f'{python} -c "{CONNECT}" {port}')
            assert (result.exit_code, result.output) == (0, "reached\n")
            await wait_until_async(lambda: came, "the server heard of its visitor")
            assert len(came) == 1
    finally:
        await sandbox.close()


@pytest.mark.parametrize("before", ["none", "host"])
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
async def test_a_copy_may_have_another_network(kind, backend, world, limits, python, before, used):
    """A set-up has a network, the attempts that start from what it made have none; and the other way round."""
    first = await backend.start(dataclasses.replace(world, network=before), name="before", limits=limits)
    opened = [first]
    try:
        if used:  # on docker a used sandbox is copied in another way than one that was only written to
            await first.run("echo made >made")
        else:
            await first.write("made", b"made\n")
        other = "host" if before == "none" else "none"
        async with listener() as (port, came):

            async def copy(parent, expected, **asked):
                came.clear()
                made = await parent.copy("copy", **asked)
                opened.append(made)
                result = await made.run(f'cat made; {python} -c "{CONNECT}" {port}')
                assert result.output.startswith("made\n")
                reached = "reached" in result.output
                if reached:
                    await wait_until_async(lambda: came, "the server heard of its visitor")
                assert (reached, len(came)) == ((True, 1) if expected == "host" else (False, 0))
                if kind == "overlay":  # docker's engine shows the host's name servers to all its containers
                    names = await made.run("test -s /etc/resolv.conf")
                    assert (names.exit_code == 0) == (expected == "host")
                return made

            await copy(first, before)
            changed = await copy(first, other, network=other)
            await copy(changed, other)
            await copy(changed, before, network=before)
    finally:
        for sandbox in opened:
            await sandbox.close()


async def test_nothing_of_the_hosts_environment_gets_in(backend, world, limits, monkeypatch):
    monkeypatch.setenv("WINNOW_TEST_SECRET", "sk-secret-4711")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-4712")
    sandbox = await backend.start(world, name="environment", limits=limits)
    try:
        names = {line.partition("=")[0] for line in (await sandbox.run("env")).output.splitlines()}
        assert names <= {"PATH", "HOME", "LANG", "TMPDIR", "FROM_WORLD", "PWD", "SHLVL", "_"}
        everything = (
            await sandbox.run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
        ).output
        assert "sk-secret" not in everything
        assert os.getcwd() not in everything, "a path of the host in a command line"
        assert (await sandbox.run("echo $HOME; ls -A ~; echo $TMPDIR; id -u")).output.startswith(
            "/tmp/home\n/tmp\n"
        )
    finally:
        await sandbox.close()


async def test_home_run_and_other_folders_of_the_host_look_empty(shared, tmp_path):
    (tmp_path / "secret").write_text("x")
    shown = Path(sys.base_prefix)
    for folder in ("/root", "/home", os.path.expanduser("~")):
        inside = (
            await shared.run(f"find {folder} -xdev -type f 2>/dev/null | grep -v ^/home/someone/")
        ).output.split()
        assert [path for path in inside if not Path(path).is_relative_to(shown)] == []
    for folder in ("/run", "/mnt", "/media", "/srv", "/var/lib", "/var/log", "/boot", "/lost+found"):
        assert (await shared.run(f"find {folder} -mindepth 1 2>/dev/null | head")).output == "", folder
    assert (await shared.run(f"ls {tmp_path}")).exit_code != 0
    ours = Path(__file__)
    assert (await shared.run(f"ls {ours}")).exit_code != 0


async def test_no_secrets_of_etc(shared):
    hidden = "shadow gshadow ssh ssl/private sudoers docker pip.conf gitconfig machine-id krb5.keytab"
    for name in hidden.split():
        assert (await shared.run(f"ls -d /etc/{name}")).exit_code != 0, name
    users = (await shared.run("cut -d: -f1 /etc/passwd")).output.split()
    assert set(users) <= {"root", "nobody", "user"}


async def test_no_socket_of_the_host(shared):
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus"):
        assert (await shared.run(f"ls {path}")).exit_code != 0, path
    assert (await shared.run("find / -xdev -type s 2>/dev/null")).output == ""


async def test_another_mount_of_the_host_is_invisible(shared, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount something to be looked for")
    point = tmp_path / "mounted"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "winnow-test-mount", str(point)], check=True)
    try:
        (point / "secret").write_text("x")
        assert "winnow-test-mount" not in (await shared.run("cat /proc/self/mountinfo")).output
        assert (await shared.run(f"ls {point}/secret")).exit_code != 0
    finally:
        subprocess.run(["umount", str(point)], check=True)


async def test_the_hosts_processes_are_invisible(shared, marked):
    outside = subprocess.Popen(marked.sleep.split())
    try:
        assert marked.word not in (await shared.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).output
        result = await shared.run(f"kill -9 {outside.pid}")
        assert result.exit_code != 0 and outside.poll() is None
        await shared.run("sleep 50", timeout=0.3)
        assert outside.poll() is None, "a time-out's kill reached the host"
    finally:
        outside.kill()
        outside.wait()


async def test_programs_of_the_host_cannot_be_changed(shared, python):
    for path in ("/usr/bin/env", "/bin/sh", "/usr/lib", "/usr/local/bin", python, sys.base_prefix):
        result = await shared.run(f"echo x >>{path} || touch {path}/winnow-test || chmod 777 {path}")
        assert result.exit_code != 0, path
    assert not os.path.exists("/usr/local/bin/winnow-test")


async def test_the_kernels_settings_cannot_be_changed(shared):
    """A sandbox that root started is the host's user 0; core_pattern names a program that the host runs."""
    apart = " -o ".join(f"-path '/proc/{name}' -prune" for name in ("[0-9]*", "*self", "pressure"))
    find = f"find /proc {apart} -o -writable ! -type l -print"
    found = (await shared.run(f"{find} 2>/dev/null")).output.split()
    opens = "[ ! -c {0} ] && : >>{0}"  # a file may be covered by /dev/null
    assert [path for path in found if (await shared.run(opens.format(path))).exit_code == 0] == []
    assert (await shared.run("find /sys -type f -writable 2>/dev/null | head -3")).output == ""
    value = Path("/proc/sys/vm/swappiness").read_text().strip()
    assert (await shared.run(f"echo {value} >/proc/sys/vm/swappiness")).exit_code != 0
    for name in ("kcore", "keys", "timer_list", "kpagecount"):
        assert (await shared.run(f"head -c 1 /proc/{name} | grep -q .")).exit_code != 0, name


async def test_there_are_no_privileges_and_none_can_be_had(shared, python):
    status = (await shared.run("cat /proc/self/status")).output
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[kind], 16) == 0, kind
    assert fields["NoNewPrivs"] == "1"
    for attack in (
        "mount -t tmpfs x /mnt",
        "mknod /tmp/disk b 8 0",
        "chroot / true",
        "unshare -m true",
        "unshare -U true",
    ):
        assert (await shared.run(attack)).exit_code != 0, attack
    devices = (
        await shared.run("find /dev -type b -o -name 'mem' -o -name 'kmsg' -o -name 'fuse' -o -name 'kvm'")
    ).output
    assert devices == ""


async def test_the_sandbox_has_names_of_its_own(shared):
    assert (await shared.run("uname -n; cat /etc/hostname")).output.split() == ["sandbox", "sandbox"]
    assert (await shared.run("tail -n +2 /proc/sysvipc/shm")).output == ""
