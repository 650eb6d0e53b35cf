"""The worlds in which tests are run: made by the general builder, from the dataset's rows, never an attempt's own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from environments import GitFailed, NotSealed, RepositoryError, SetupFailed, WorldWrong
from environments.building import Builder, BuildFailed, WrongRecipe
from sandbox import Backend, Images, SandboxError

from .grade_work import Worlds
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
"""What a world cannot be made for, or dies of: a candidate is not graded then, and not blamed."""


@contextlib.asynccontextmanager
async def open_worlds(
    backend: Backend, run: str, repos: Path | None, recipe: Path | None, tell: Callable[[str], None]
) -> AsyncIterator[Worlds]:
    """A builder for as long as grading takes."""
    with Images(run, sandboxes_folder(), tell) as images:
        builder = Builder(
            backend, data_folder() / "built", repos=repos, recipes=recipe, tell=tell, at_once=2, images=images
        )
        try:
            yield builder
        finally:
            await builder.close()
