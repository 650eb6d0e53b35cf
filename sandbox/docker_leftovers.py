"""Finding and removing what runs left in a Docker engine: by label only, never what a live run of others owns."""

from __future__ import annotations

import time
from typing import Any

from .docker_client import Busy, Engine, Missing, connect, plain_errors
from .docker_container import KIND_LABEL, OWNER_LABEL, RUN_LABEL
from .docker_layers import remove_image
from .owner import lives, owner_label
from .protocol import SandboxError

GONE_WITHIN = 30.0
"""Seconds the engine gets to remove a container that it is already removing."""


def clean_docker(run: str | None = None, *, caches: bool = False, engine: Engine | None = None) -> list[str]:
    """Remove what runs with a dead owner left, or one run. -> a line for each thing removed. Blocks.

    What a living process of this machine owns is never touched; naming its run is an error. A run of another machine
    (or pid namespace), of which nobody here knows whether it lives, goes only by its name. caches: also the images
    that were built or imported from the user's files. Raises NoEngine, SandboxError.
    """
    used = engine or connect()
    try:
        with plain_errors():
            return _remove(used, run, caches)
    finally:
        if engine is None:
            used.close()


def leave_nothing(engine: Engine, run: str) -> list[str]:
    """Remove what this process, or one that is dead (the run was resumed), made for a run."""
    mine = owner_label()

    def due(thing: dict[str, Any]) -> bool:
        return _owner(thing) == mine or lives(_owner(thing)) is False

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


def _remove(engine: Engine, run: str | None, caches: bool) -> list[str]:
    containers, images = _containers(engine, run), _images(engine, run)
    if run is not None and (
        living := [_owner(thing) for thing in (*containers, *images) if lives(_owner(thing))]
    ):
        pid = living[0].partition("@")[0]
        raise SandboxError(
            f"Run {run} is still going (process {pid}): stop it before its sandboxes are cleaned."
        )

    def due(thing: dict[str, Any]) -> bool:
        return thing["Labels"].get(KIND_LABEL) != "cache" and (
            run is not None or lives(_owner(thing)) is False
        )

    images = list(filter(due, images))
    if caches:
        images += filter(_is_cache, _images(engine, None))
    return _sweep(engine, list(filter(due, containers)), images)


def _sweep(engine: Engine, containers: list[dict[str, Any]], images: list[dict[str, Any]]) -> list[str]:
    for container in containers:
        remove_container(engine, container["Id"])
    said = [
        f"Docker container {container['Names'][0].lstrip('/')}"
        for container in containers
        if container["Names"]
    ]
    # A layer can only go after those on top of it: go round until a round removes nothing.
    left = images
    while left:
        still = [image for image in left if not remove_image(engine, image["Id"], steps=_is_cache(image))]
        if len(still) == len(left):
            break  # used by somebody else's container: the next cleaning finds them again
        said += [
            f"Docker image {(image['RepoTags'] or [image['Id']])[0]}" for image in left if image not in still
        ]
        left = still
    return said


def _is_cache(thing: dict[str, Any]) -> bool:
    return thing["Labels"].get(KIND_LABEL) == "cache"


def _owner(thing: dict[str, Any]) -> str:
    return thing["Labels"].get(OWNER_LABEL, "")


def _containers(engine: Engine, run: str | None) -> list[dict[str, Any]]:
    return engine.api.containers(all=True, filters={"label": [_filter(run)]})


def _images(engine: Engine, run: str | None) -> list[dict[str, Any]]:
    found = engine.api.images(filters={"label": [_filter(run)]})
    return [image for image in found if image.get("Labels")]


def _filter(run: str | None) -> str:
    return RUN_LABEL if run is None else f"{RUN_LABEL}={run}"
