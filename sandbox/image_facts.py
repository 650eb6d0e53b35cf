"""What an engine says of an image, and what is said while one is made ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .docker_client import Engine, Missing, plain_errors
from .protocol import CannotStart, WrongRoot

Progress = Callable[[str], None]
"""Told in short lines how far a pull, a build or an import is."""

CACHE_RUN = "cache"
"""The run that images kept between runs are labelled with."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself: its id, environment, user ("" is root), folder to start in, volumes, names.

    size: bytes of all its layers, unpacked; layers shared with other images count in each.
    """

    id: str
    env: dict[str, str]
    user: str
    workdir: str
    volumes: tuple[str, ...]
    tags: tuple[str, ...] = ()
    size: int = 0


def describe(engine: Engine, image: str) -> ImageFacts | None:
    """An image's facts, None when the engine does not have it. Raises WrongRoot for what is no name."""
    try:
        with plain_errors():
            found = engine.api.inspect_image(image)
    except Missing:
        return None
    except CannotStart as error:
        if "invalid reference" in str(error):
            raise WrongRoot(f"{image!r} is no name of an image") from error
        raise
    config = found.get("Config") or {}
    env = dict(item.partition("=")[::2] for item in config.get("Env") or ())
    volumes = tuple(config.get("Volumes") or ())
    tags = tuple(tag for tag in found.get("RepoTags") or () if tag != "<none>:<none>")
    return ImageFacts(
        found["Id"],
        env,
        config.get("User") or "",
        config.get("WorkingDir") or "/",
        volumes,
        tags,
        int(found.get("Size") or 0),
    )
