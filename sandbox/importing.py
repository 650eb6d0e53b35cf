"""Root file systems that become images without a registry: a folder (of debootstrap, say), or what a function packs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .docker_client import Engine, plain_errors
from .docker_container import labels
from .image_facts import CACHE_RUN, Progress, describe
from .protocol import CannotStart, WrongRoot
from .tarballs import add_tree, fingerprint, streamed


def check_rootfs(folder: Path) -> None:
    """Raises WrongRoot where a folder holds no root file system."""
    if not folder.is_dir():
        raise WrongRoot(f"{folder} is no folder with a root file system")
    if not any(os.path.lexists(folder / shell) for shell in ("bin/sh", "usr/bin/sh")):
        raise WrongRoot(f"{folder} is no root file system: it has no bin/sh")


def import_rootfs(engine: Engine, folder: Path, progress: Progress | None = None) -> str:
    """Import a folder that holds a whole root file system as an image, once per state of the folder. -> its id.

    Raises WrongRoot, CannotStart, DiskFull.
    """
    folder = Path(folder)
    check_rootfs(folder)
    tag = fingerprint(folder)[:24]
    facts = describe(engine, f"winnow-rootfs:{tag}")
    if facts is not None:
        return facts.id
    if progress is not None:
        progress(f"importing {folder}")
    return import_tar(
        engine, "winnow-rootfs", tag, lambda tar: add_tree(tar, folder, "/"), labels(CACHE_RUN, "cache")
    )


def import_tar(
    engine: Engine, repository: str, tag: str, pack: Callable[[Any], None], label: dict[str, str]
) -> str:
    """Import what `pack` writes as an image with these labels. -> its id."""
    changes = [f'LABEL "{name}"="{value}"' for name, value in label.items()]
    with plain_errors(), streamed(pack) as stream:
        engine.api.import_image(src=stream, stream_src=True, repository=repository, tag=tag, changes=changes)
    facts = describe(engine, f"{repository}:{tag}")
    if facts is None:
        raise CannotStart(f"the Docker engine did not take the root file system {repository}:{tag}")
    return facts.id
