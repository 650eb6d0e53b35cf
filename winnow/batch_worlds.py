"""What builds the worlds of a batch: the general builder, or nobody where `winnow solve` has prepared its one world."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from environments.building import Builder
from sandbox import Backend, Images

from .configuration import Configuration
from .paths import data_folder, sandboxes_folder


@contextlib.asynccontextmanager
async def open_worlds(
    configuration: Configuration, run: str, backend: Backend, tell: Callable[[str], None]
) -> AsyncIterator[Builder | None]:
    """The builder for as long as a session takes; its layers are shared by runs and processes, and stay."""
    data = configuration.data
    if data is None:
        yield None
        return
    with Images(run, sandboxes_folder(), tell) as images:
        builder = Builder(
            backend,
            data_folder() / "built",
            repos=Path(data.repos) if data.repos else None,
            recipes=Path(data.recipe) if data.recipe else None,
            tell=tell,
            at_once=configuration.limits.builds,
            images=images,
            rootfs=Path(data.rootfs) if data.rootfs else None,
        )
        try:
            yield builder
        finally:
            await builder.close()
