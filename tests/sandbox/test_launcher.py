"""What a sandbox inherits from the launcher that it was forked from: no descriptor, and none of its groups."""

import os
from collections import Counter

import pytest

from sandbox import HostRoot, Limits, OverlayBackend, World

pytestmark = [
    pytest.mark.overlay,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root may look into the first process, or has groups to lose"
    ),
]
GROUP = 4242


def descriptors(pid):
    """What a process has open, by kind: "socket", "pipe", or a path."""
    folder = f"/proc/{pid}/fd"
    return Counter(os.readlink(f"{folder}/{number}").partition(":")[0] for number in os.listdir(folder))


async def test_no_descriptor_of_the_launcher_or_of_a_neighbour_is_open(tmp_path):
    """One that is ready before it is asked for, and one that is made on the spot."""
    backend = OverlayBackend("descriptors", tmp_path / "state", pool=2)
    try:
        boxes = [await backend.start(World(), name=f"box{n}", limits=Limits()) for n in range(4)]
        boxes.append(await backend.start(World(network="host"), name="open", limits=Limits()))
        for box in boxes:
            held = descriptors(box.pid)
            score = next((path for path in held if path.endswith("/oom_score_adj")), "")
            assert held.pop(score, 1) == 1
            assert held == {"/dev/null": 3, "socket": 1, "pipe": 2}, held
            assert (await box.run("ls /proc/self/fd")).output.split() == ["0", "1", "2", "3"]
    finally:
        await backend.close()


@pytest.fixture
def in_a_group():
    """This process is in a group that the host gives something to."""
    before = os.getgroups()
    os.setgroups([*before, GROUP])
    yield
    os.setgroups(before)


@pytest.mark.parametrize("without", [(), ("ids",)], ids=["", "not shifted"])
async def test_what_a_group_of_the_host_may_read_a_sandbox_may_not(tmp_path, in_a_group, without):
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "secret").write_text("for the group")
    os.chown(shown / "secret", 4321, GROUP)
    (shown / "secret").chmod(0o040)
    backend = OverlayBackend("groups", tmp_path / "state", without=without)
    try:
        box = await backend.start(World(HostRoot(extra=(str(shown),))), name="group", limits=Limits())
        seen = await box.run(f"cat {shown}/secret; id -G")
        assert "for the group" not in seen.output and seen.output.endswith("\n0\n"), seen.output
    finally:
        await backend.close()
