"""Files: reading and writing any bytes at any path, and never outside the sandbox."""

import os
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import NotThere, Place, RootFs, SandboxError, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = [
    "plain",
    "with space",
    "quo'te",
    'dou"ble',
    "new\nline",
    "-dash",
    "$HOME",
    "`x`",
    "back\\slash",
    "ü✓",
    "*",
]


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_will_do(shared, name):
    await shared.write(f"made/{name}/{name}", name.encode())
    assert await shared.read(f"made/{name}/{name}") == name.encode()


@settings(max_examples=40)
@given(content=st.binary(max_size=4000))
async def test_any_bytes_come_back(shared, content):
    await shared.write("any", content)
    assert await shared.read("any") == content


@pytest.mark.parametrize(
    "start", [b"-", b"--", b"-n", b"%", b"%s%d", b"\\", b"\\101", b"'", b"\0", b"\n", b"-e \\c"]
)
async def test_bytes_that_mean_something_to_printf_come_back(shared, start):
    for content in (start, start * 3, start + b"x" * 40000 + start, b"x" * 32768 + start):
        await shared.write("special", content)
        assert await shared.read("special") == content


async def test_five_random_megabytes_come_back(shared):
    content = os.urandom(5_000_001)
    await shared.write("big", content)
    assert await shared.read("big") == content
    assert await shared.read("big", 10) == content[:10]
    assert await shared.read("big", 6_000_000) == content


async def test_a_written_file_has_its_mode_and_replaces_the_old_one(shared):
    await shared.write("script", b"#!/bin/sh\necho a longer text than the next one\n", 0o755)
    assert (await shared.run("./script")).exit_code == 0
    await shared.write("script", b"short")
    assert await shared.read("script") == b"short"
    assert (await shared.run("stat -c %a script run.sh")).output == "644\n755\n"


async def test_the_placed_folder_is_shown_and_the_host_never_changes(sandbox, source):
    assert await sandbox.read("sub/deep") == b"deep\n"
    await sandbox.write("file", b"changed")
    await sandbox.run("rm run.sh; echo new >new; mv sub/deep sub/moved; chmod 777 file")
    assert (source / "file").read_text() == "from the host\n"
    assert sorted(os.listdir(source)) == ["file", "run.sh", "sub"]
    assert os.listdir(source / "sub") == ["deep"]


@pytest.mark.parametrize(
    "path", ["missing", "sub", "/dev/null", "/dev/zero", "pipe", "dangling", "loop", "missing/x", "file/x"]
)
async def test_what_is_no_regular_file_is_refused(shared, path):
    await shared.run("[ -p pipe ] || mkfifo pipe; ln -snf nowhere dangling; ln -snf loop loop")
    with pytest.raises(NotThere):
        await shared.read(path)
    assert (await shared.run("echo next")).output == "next\n"


@pytest.mark.parametrize("path", ["sub", "file/below", "/proc/none/x", "loop"])
async def test_what_cannot_be_written_is_a_sentence(shared, path):
    await shared.run("ln -snf loop loop")
    with pytest.raises(SandboxError) as caught:
        await shared.write(path, b"x")
    assert path in str(caught.value)
    assert (await shared.run("echo next")).output == "next\n"


async def test_links_and_dots_do_not_lead_out(sandbox, source, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    (source / "placed").symlink_to(secret)
    (source / "up").symlink_to("../secret")
    await sandbox.run(
        f"ln -s {secret} link; ln -s {tmp_path} folder; ln -s ../../../../../../../../..{tmp_path} far"
    )
    for path in (
        "link",
        "folder/secret",
        "far/secret",
        "placed",
        "up",
        f"../../../../../../../..{secret}",
        str(secret),
    ):
        with pytest.raises(NotThere):
            await sandbox.read(path)
    for path in ("link", "folder/new", "far/new", "placed", f"../../../../../../../..{tmp_path}/new"):
        try:
            await sandbox.write(path, b"overwritten")
        except SandboxError:
            continue
    assert secret.read_text() == "the host's"
    assert sorted(os.listdir(tmp_path)) == ["secret", "source"]


async def test_a_read_is_not_spoiled_by_a_child_that_prints(sandbox):
    content = secrets.token_bytes(300_000)
    await sandbox.write("quiet", content)
    await sandbox.run("(while :; do echo noise; sleep 0.001; done) &")
    for _ in range(5):
        assert await sandbox.read("quiet") == content
    await sandbox.write("other", content)
    assert await sandbox.read("other") == content


async def test_a_place_lies_over_what_the_image_has_there(
    backend, kind, limits, docker_rootfs, request, tmp_path
):
    """What was built in the image stays, files of both are the place's, the image's own history goes (SAFETY 1)."""
    if kind == "docker":
        request.getfixturevalue("docker_engine")  # removes at its end what is imported here
    source = tmp_path / "source"
    (source / ".git").mkdir(parents=True)
    (source / ".git/ours").write_text("ours")
    (source / "code.py").write_text("new")
    world = World(root=RootFs(docker_rootfs), places=(Place(source, "/testbed"),), workdir="/testbed")
    sandbox = await backend.start(world, name="over", limits=limits)
    try:
        assert (await sandbox.run("cat code.py built.so; ls .git")).output == "newbuiltours\n"
        await sandbox.run("rm built.so code.py; echo more >.git/HEAD; mkdir empty")
        copy = await sandbox.copy("copy")
        assert (await copy.run("ls -A; ls .git")).output.split() == [".git", "empty", "HEAD", "ours"]
        await copy.close()
    finally:
        await sandbox.close()
    assert (docker_rootfs / "testbed/built.so").read_text() == "built"
    assert (docker_rootfs / "testbed/.git/HEAD").read_text() == "the image's own history"
