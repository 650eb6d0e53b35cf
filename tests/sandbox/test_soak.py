"""A short soak in every test run: two hundred sandboxes of every fate, nothing left. The long one: `make soak`."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from waiting import PATIENCE

from bench import soak as soaking
from sandbox import Limits, World

pytestmark = pytest.mark.timeout(1800)  # hundreds of sandboxes


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(soaking, "SETTLES", PATIENCE)


def test_a_leak_would_be_named():
    """The soak's own judgement: more of anything is a leak, less is none, growth is told from noise."""
    assert soaking._more({"mounts": 3, "layers": 5}, {"mounts": 4, "layers": 4}, "after") == [
        "mounts: 3 before, 4 after"
    ]
    assert soaking._more({}, {"control groups": 1}, "after") == ["control groups: 0 before, 1 after"]
    flat, rising = [50 << 20] * 39 + [53 << 20], [(50 << 20) + step * 200_000 for step in range(40)]
    assert soaking._grown({"flat": flat, "short": [1]}) == []
    assert "memory of rising grew by 2.0 MB" in soaking._grown({"rising": rising})[0]


@pytest.mark.overlay
async def test_two_hundred_overlay_sandboxes_leave_nothing(tmp_path):
    seen = await soaking.soak("overlay", 200, tmp_path)
    assert seen.leaks == []


@pytest.mark.overlay
async def test_layers_left_behind_are_seen(tmp_path, monkeypatch):
    from sandbox import OverlayBackend

    async def forgotten(self, layer):
        self._users.pop(layer, None)

    monkeypatch.setattr(OverlayBackend, "_drop", forgotten)
    monkeypatch.setattr(soaking, "SETTLES", 0.5)
    seen = await soaking.soak("overlay", 20, tmp_path)
    assert "layers" in [leak.partition(":")[0] for leak in seen.leaks]


@pytest.mark.overlay
async def test_starts_cancelled_at_every_moment_end_and_harm_nobody(tmp_path):
    """A start that is cancelled has processes half made: none may outlive it, none may take others along."""
    from sandbox import OverlayBackend

    backend = OverlayBackend("cancelled", tmp_path / "state", pool=0)
    base = await backend.start(World(), name="base", limits=Limits())

    async def worker() -> None:
        for _ in range(100):
            start = asyncio.ensure_future(base.copy("never-used"))
            await asyncio.sleep(random.uniform(0.0005, 0.01))
            start.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await asyncio.wait_for(start, PATIENCE)).close()

    await asyncio.gather(*(worker() for _ in range(4)))
    last = await base.copy("used")
    assert (await last.run("echo alive")).output == "alive\n"
    await asyncio.wait_for(backend.close(), PATIENCE)
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.docker
async def test_ten_docker_sandboxes_leave_nothing(tmp_path):
    seen = await soaking.soak("docker", 10, tmp_path)
    assert seen.leaks == []
