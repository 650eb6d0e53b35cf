"""Images, and folders of the host, that would do something beside the commands that Winnow runs."""

# ruff: noqa: ASYNC221 (short looks at the machine from outside)

import os
import secrets
import subprocess

import pytest
from waiting import PATIENCE

from sandbox import HostRoot, Limits, World
from sandbox.images import import_rootfs
from sandbox.protocol import Image

pytestmark = pytest.mark.docker
SMALL = Limits(memory=128 << 20, processes=32, timeout=PATIENCE)


@pytest.fixture
def image_with(docker_engine, docker_rootfs):
    """`image_with(Key=value)` -> the name of an image with these settings"""
    made = []

    def make(**settings):
        name = f"winnow-test-{secrets.token_hex(4)}"
        base = docker_engine.api.create_container(import_rootfs(docker_engine, docker_rootfs), ["/bin/true"])[
            "Id"
        ]
        docker_engine.api.commit(base, name, "latest", conf={**settings, "Cmd": ["/bin/true"]})
        docker_engine.api.remove_container(base)
        made.append(name)
        return f"{name}:latest"

    yield make
    for name in made:
        docker_engine.api.remove_image(name, force=True)


@pytest.fixture
def checked_image(image_with):
    """An image whose health check, ten times a second, leaves a file."""
    check = {
        "Test": ["CMD-SHELL", "touch /tmp/checked"],
        "Interval": 100_000_000,
        "Timeout": 10**9,
        "Retries": 9,
    }
    return image_with(Healthcheck=check)


async def test_an_images_variables_do_nothing_to_the_server(docker_backend, image_with):
    """The loader of every program but the first process notes what it does, in a file named by its number."""
    image = image_with(Env=["LD_DEBUG=files", "LD_DEBUG_OUTPUT=/tmp/loader"])
    box = await docker_backend.start(World(Image(image)), name="loader", limits=SMALL)
    seen = (await box.run("ls /tmp")).output.split()
    assert [name for name in seen if name.startswith("loader.")] and "loader.1" not in seen, seen


async def test_an_images_health_check_does_not_run(docker_backend, docker_engine, checked_image):
    told = docker_engine.api.inspect_image(checked_image)
    assert told["Config"]["Healthcheck"]["Test"][0] == "CMD-SHELL", "the image has one"
    box = await docker_backend.start(World(Image(checked_image)), name="checked", limits=SMALL)
    seen = await box.run(
        "n=0; until [ -e /tmp/checked ] || [ $n = 30 ]; do sleep 0.1; n=$((n+1)); done; ls /tmp"
    )
    assert "checked" not in seen.output
    copy = await box.copy("copy")
    assert "checked" not in (await copy.run("sleep 1; ls /tmp")).output


async def test_what_is_mounted_below_a_shown_folder_is_not_shown(docker_backend, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount something")
    shown = tmp_path / "shown"
    (shown / "mounted").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "winnow-test", str(shown / "mounted")], check=True)
    try:
        (shown / "mounted/secret").write_text("the host's")
        box = await docker_backend.start(World(HostRoot(extra=(str(shown),))), name="below", limits=SMALL)
        seen = await box.run(f"ls -A {shown}/mounted; cat {shown}/mounted/secret")
        assert "the host's" not in seen.output and not seen.output.startswith("secret")
    finally:
        subprocess.run(["umount", str(shown / "mounted")], check=True)


async def test_nobody_answers_a_second_call(docker_backend, docker_world):
    """Who could call on the socket would be taken for the sandbox's server; a command finds it nowhere."""
    box = await docker_backend.start(docker_world, name="call", limits=SMALL)
    seen = await box.run("ls -A /dev/.winnow-line; [ -S /dev/.winnow-line/s ]")
    assert (seen.exit_code, seen.output) == (1, "")


async def test_winnows_filter_stands_besides_the_engines(docker_backend, docker_world):
    """Each filter is one line more in what the kernel tells (Linux 5.9); an engine's alone lets keyrings through."""
    box = await docker_backend.start(docker_world, name="filters", limits=SMALL)
    lines = (await box.run("cat /proc/self/status")).output.splitlines()
    count = [line.split()[1] for line in lines if line.startswith("Seccomp_filters:")]
    if not count:
        pytest.skip("this kernel does not count filters")
    assert int(count[0]) >= 2
