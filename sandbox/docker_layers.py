"""Which images a run still needs: each goes when its last user does, the one below it after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .docker_client import Busy, Engine, Missing, plain_errors


@dataclass(slots=True, eq=False)
class Layer:
    """An image that sandboxes start from, and how.

    image: id. env: the image's own variables. user: as the engine wants it. mounts: the host's folders shown in it.
    ours: made for this run, so removed with its last user. below: the layer it was committed on.
    """

    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    mounts: tuple[dict[str, Any], ...] = ()
    ours: bool = False
    below: Layer | None = None
    users: int = 0

    def take(self) -> Layer:
        self.users += 1
        return self


async def give_up(engine: Engine, layer: Layer) -> None:
    """One user less. An image that is still in use elsewhere stays, for `clean` to take."""
    at: Layer | None = layer
    while at is not None:
        at.users -= 1
        if at.users > 0 or not at.ours:
            return
        await engine.call(remove_image, engine, at.image)
        at = at.below


def remove_image(engine: Engine, image: str, *, steps: bool = False) -> bool:
    """Remove an image that nothing uses. -> whether it is gone. steps: with the unnamed steps of its build."""
    try:
        with plain_errors():
            # Without `steps`, an unnamed image below stays: it may be somebody else's.
            engine.api.remove_image(image, force=False, noprune=not steps)
    except Missing:
        return True
    except Busy:
        return False
    return True
