"""Which sandboxes a run uses: the backend, and the sentence that says why."""

from __future__ import annotations

import asyncio

from sandbox import Backend, Limits, open_backend, probe_docker, probe_overlay

from .configuration import SandboxSettings
from .paths import sandboxes_folder


class NoBackend(Exception):
    """No sandbox can be made on this machine; the message says what to do."""


def choose_backend(wanted: str) -> tuple[str, str]:
    """("docker" or "overlay", why) for `--sandbox auto|docker|overlay`. Raises NoBackend.

    auto takes docker where an engine answers and can really start a container, else overlay.
    """
    if wanted == "docker":
        probe = probe_docker()
        if not probe.works:
            raise NoBackend(f"docker cannot be used: {probe.why}; {probe.cure}")
        return "docker", "docker, as asked for"
    if wanted == "overlay":
        probe = asyncio.run(probe_overlay())
        if not probe.works:
            raise NoBackend(f"the overlay sandbox cannot be used: {probe.why}; {probe.cure}")
        return "overlay", "overlay, as asked for"
    docker = probe_docker()
    if docker.works:
        return "docker", "docker, because an engine answers"
    overlay = asyncio.run(probe_overlay())
    if overlay.works:
        return "overlay", f"overlay, because docker cannot be used ({docker.why})"
    raise NoBackend(
        f"no sandbox can be made here: docker: {docker.why} ({docker.cure}); "
        f"overlay: {overlay.why} ({overlay.cure})"
    )


def backend_of(settings: SandboxSettings, run: str) -> Backend:
    """The run's backend, its leftovers labelled with the run's id."""
    return open_backend(settings.backend, run=run, state=sandboxes_folder())


def limits_of(settings: SandboxSettings) -> Limits:
    """The settings as limits of each sandbox."""
    return Limits(
        memory=settings.memory, processes=settings.processes, cpus=settings.cpus, disk=settings.disk
    )
