"""Groundwork: work on a repository in its environment that all of its issues need, done once and kept for the others.

Source: Lin et al., "Sleep-time Compute" (2025): what only depends on the context is worked out ahead of its questions.
Whoever needs a piece names it and says how it is made; who keeps it, and how it gets into a journal, is not said here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Groundwork(Protocol):
    """What is known of one repository in one environment, whatever the issue."""

    async def once(
        self,
        what: str,
        about: Any,
        make: Callable[[], Awaitable[T]],
        *,
        keep: Callable[[T], bool] = lambda found: True,
        pick: Callable[[T], T] = lambda found: found,
    ) -> T:
        """The piece `what`, as it was made before for the same repository, environment and `about`; else by `make`.

        about: what else decides it, the version of the code that makes it too. keep: whether a piece is worth keeping:
        what came to nothing is tried again by the next who needs it. pick: the part of the piece that this issue needs.
        JSON can hold all of them.
        """
        ...


class Anew:
    """Groundwork that is done each time it is needed, and kept by nobody."""

    async def once(
        self,
        what: str,
        about: Any,
        make: Callable[[], Awaitable[T]],
        *,
        keep: Callable[[T], bool] = lambda found: True,
        pick: Callable[[T], T] = lambda found: found,
    ) -> T:
        """See Groundwork."""
        return pick(await make())
