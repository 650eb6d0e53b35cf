"""Finding and removing what runs left in a Docker engine: by label only, never what a live run of others owns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .docker_client import Busy, Engine, Missing, connect, plain_errors
from .docker_container import KIND_LABEL, OWNER_LABEL, RUN_LABEL
from .docker_layers import remove_image
from .owner import is_dead, owner_label
from .protocol import SandboxError

GONE_WITHIN = 30.0
"""Seconds the engine gets to remove a container that it is already removing."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many containers and images were removed, and how many images stay because something uses them."""

    containers: int
    images: int
    in_use: int = 0


def clean_docker(run: str | None = None, *, caches: bool = False, engine: Engine | None = None) -> Cleaned:
    """Remove what dead owners left or, given a run, all that carries its label (its owner may live: it was named).

    caches: images that were built or imported from the user's files, too. Blocks. Raises NoEngine.
    """
    used = engine or connect()
    try:
        with plain_errors():
            return _remove(used, run, caches)
    finally:
        if engine is None:
            used.close()


def leave_nothing(engine: Engine, run: str) -> Cleaned:
    """Remove what this process, or one that is dead (the run was resumed), made for a run."""
    mine = owner_label()

    def due(thing: dict[str, Any]) -> bool:
        owner = thing["Labels"].get(OWNER_LABEL, "")
        return owner == mine or is_dead(owner)

    with plain_errors():
        return _sweep(engine, *(list(filter(due, found(engine, run))) for found in (_containers, _images)))


def remove_container(engine: Engine, container: str) -> None:
    """Kill and remove a container and wait until it is gone. One that is not there is no error."""
    deadline = time.monotonic() + GONE_WITHIN
    while True:
        try:
            with plain_errors():
                engine.api.remove_container(container, force=True, v=True)
            return
        except Missing:
            return
        except Busy:  # the engine's own auto-removal came first
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"Docker does not get rid of container {container[:12]}; restart the engine"
                ) from None
            time.sleep(0.02)


def _remove(engine: Engine, run: str | None, caches: bool) -> Cleaned:
    def due(labels: dict[str, str]) -> bool:
        if labels.get(KIND_LABEL) == "cache":
            return False
        return run is not None or is_dead(labels.get(OWNER_LABEL, ""))

    containers = [c for c in _containers(engine, run) if due(c["Labels"])]
    images = [i for i in _images(engine, run) if due(i["Labels"])]
    if caches:
        images += [i for i in _images(engine, None) if i["Labels"].get(KIND_LABEL) == "cache"]
    return _sweep(engine, containers, images)


def _sweep(engine: Engine, containers: list[dict[str, Any]], images: list[dict[str, Any]]) -> Cleaned:
    for container in containers:
        remove_container(engine, container["Id"])
    left = [image["Id"] for image in images]
    # A layer can only go after those on top of it: go round until a round removes nothing.
    while left:
        still = [image for image in left if not remove_image(engine, image)]
        if len(still) == len(left):
            break
        left = still
    return Cleaned(len(containers), len(images) - len(left), len(left))


def _containers(engine: Engine, run: str | None) -> list[dict[str, Any]]:
    return engine.api.containers(all=True, filters={"label": [_filter(run)]})


def _images(engine: Engine, run: str | None) -> list[dict[str, Any]]:
    found = engine.api.images(filters={"label": [_filter(run)]})
    return [image for image in found if image.get("Labels")]


def _filter(run: str | None) -> str:
    return RUN_LABEL if run is None else f"{RUN_LABEL}={run}"
