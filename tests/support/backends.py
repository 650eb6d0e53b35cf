"""Tests marked `docker` or `overlay` are skipped, with the reason, where that kind of sandbox does not work."""

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Probe, probe_docker, probe_overlay

REQUIRED = "WINNOW_TEST_BACKENDS"
"""The environment variable with the kinds that must work, as in CI: there, a test that misses one fails."""


@functools.cache
def _probe(kind: str) -> Probe:
    if kind == "docker":
        return probe_docker()
    with ThreadPoolExecutor(1) as elsewhere:  # this thread's event loop belongs to the tests
        return elsewhere.submit(lambda: asyncio.run(probe_overlay())).result()


def skip_without_backend(item: pytest.Item) -> None:
    for kind in ("docker", "overlay"):
        if item.get_closest_marker(kind) is None or _probe(kind).works:
            continue
        reason = f"{kind}: {_probe(kind).why}; {_probe(kind).cure}"
        if kind in os.environ.get(REQUIRED, "").split():
            pytest.fail(f"{REQUIRED} names {kind}, which does not work here. {reason}", pytrace=False)
        pytest.skip(reason)
