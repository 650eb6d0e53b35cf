"""Sandboxes: isolated copies of a prepared world in which commands run. Two backends, one protocol, one contract.

Imports nothing of ours. Hands on the protocol's types, the backends, the probes that say whether a backend works
here, the clean-up of what dead runs left, and what is kept of images. Backends are imported when they are first asked
for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .protocol import (
    Backend,
    CannotStart,
    DiskFull,
    Dockerfile,
    HostRoot,
    Image,
    Limits,
    NoPorts,
    NotThere,
    Place,
    Result,
    Root,
    RootFs,
    Sandbox,
    SandboxDied,
    SandboxError,
    SandboxSealed,
    World,
    WrongRoot,
)

if TYPE_CHECKING:
    from .docker_client import Engine
    from .docker_engine import DockerBackend
    from .docker_probe import probe_docker
    from .images import Images, folder_with
    from .importing import check_rootfs
    from .keeping import Entry, Kept
    from .overlay import OverlayBackend
    from .overlay_probe import probe_overlay
    from .ports import PortHandler
    from .probe import Probe

__all__ = [
    "Backend",
    "CannotStart",
    "DiskFull",
    "DockerBackend",
    "Dockerfile",
    "HostRoot",
    "Image",
    "Images",
    "Limits",
    "NoPorts",
    "NotThere",
    "OverlayBackend",
    "Place",
    "PortHandler",
    "Probe",
    "Result",
    "Root",
    "RootFs",
    "Sandbox",
    "SandboxDied",
    "SandboxError",
    "SandboxSealed",
    "World",
    "WrongRoot",
    "check_rootfs",
    "clean",
    "folder_with",
    "image_id",
    "kept_images",
    "open_backend",
    "probe_docker",
    "probe_overlay",
    "prune_images",
]

_LATER = {
    "DockerBackend": "docker_engine",
    "Images": "images",
    "OverlayBackend": "overlay",
    "PortHandler": "ports",
    "Probe": "probe",
    "check_rootfs": "importing",
    "folder_with": "images",
    "probe_docker": "docker_probe",
    "probe_overlay": "overlay_probe",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)


def open_backend(kind: Literal["docker", "overlay"], run: str, state: Path) -> Backend:
    """The backend for one run. state: the folder for overlay layers of all runs. Raises CannotStart."""
    if kind == "overlay":
        from .overlay import OverlayBackend

        return OverlayBackend(run=run, state=state)
    if kind == "docker":
        from .docker_engine import DockerBackend

        return DockerBackend(run=run, state=state)
    raise CannotStart(f"{kind!r} is no kind of sandbox: say docker or overlay.")


def clean(state: Path, run: str | None = None) -> list[str]:
    """Remove what dead runs, or one of them, left behind. -> a line for each thing removed. Blocks.

    Only what such a run owned: sandboxes of a living run are never touched. Raises SandboxError for a living run.
    A Docker engine that does not answer is no error: there is nothing that could be removed now.
    """
    from .docker_client import NoEngine
    from .docker_leftovers import clean_docker
    from .leftovers import clean_overlay
    from .unpacking import clean_half_unpacked

    removed = clean_overlay(state, run)
    if run is None:
        removed += clean_half_unpacked(state)
    with contextlib.suppress(NoEngine):
        removed += clean_docker(run)
    return removed


def image_id(name: str) -> str:
    """The id by which an engine that answers here knows an image; "" where none does, or none answers. Blocks.

    Raises SandboxError where it answers with an error.
    """
    from .image_facts import describe

    with _engine() as (engine, _):
        facts = describe(engine, name) if engine is not None else None
    return facts.id if facts else ""


def kept_images(state: Path) -> tuple[list[Entry], str]:
    """What Winnow pulled, built, imported and unpacked, least recently used first; why no engine was asked. Blocks."""
    from .pruning import list_images

    with _engine() as (engine, why):
        return list_images(state, engine), why


def prune_images(state: Path, budget: int) -> tuple[list[Kept], str]:
    """Remove the least recently used images until the rest takes at most `budget` bytes. -> what went, and as above.

    Never what a living run uses, nor what was there before Winnow. Blocks.
    """
    from . import pruning

    with _engine() as (engine, why):
        return pruning.prune_images(state, budget, engine), why


@contextlib.contextmanager
def _engine() -> Iterator[tuple[Engine | None, str]]:
    """The Docker engine, or None and why none answers."""
    from .docker_client import NoEngine, connect

    try:
        engine = connect()
    except NoEngine as error:
        yield None, error.why
        return
    try:
        yield engine, ""
    finally:
        engine.close()
