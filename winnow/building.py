"""The general builder as every command opens it: the same layers, below the user's data folder, for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from environments import GitFailed, NotSealed, RepositoryError, SetupFailed, WorldWrong
from environments.building import Builder, BuildFailed, BuildNetwork, WrongRecipe
from sandbox import Backend, Images, SandboxError

from .paths import data_folder, sandboxes_folder

WORLD_FAULTS = (
    BuildFailed,
    GitFailed,
    NotSealed,
    OSError,
    RepositoryError,
    SandboxError,
    SetupFailed,
    WorldWrong,
    WrongRecipe,
)
"""What a world cannot be made for, or dies of: no candidate is blamed for it."""


@contextlib.asynccontextmanager
async def open_builder(
    backend: Backend,
    run: str,
    tell: Callable[[str], None],
    *,
    repos: Path | None = None,
    recipe: Path | None = None,
    rootfs: Path | None = None,
    network: BuildNetwork = "index",
    at_once: int = 2,
) -> AsyncIterator[Builder]:
    """A builder for as long as a session takes; its layers are shared by runs and processes, and stay.

    run: whose images are held meanwhile. The others: see environments.building.Builder.
    """
    with Images(run, sandboxes_folder(), tell) as images:
        builder = Builder(
            backend,
            data_folder() / "built",
            repos=repos,
            recipes=recipe,
            tell=tell,
            at_once=at_once,
            images=images,
            rootfs=rootfs,
            network=network,
        )
        try:
            yield builder
        finally:
            await builder.close()
