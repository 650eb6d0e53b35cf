"""The repository of an image, where nobody has another copy of it: its files and objects, and none of its settings."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sandbox import Backend, Image, Limits, World

from ..instance import Instance
from .capture import capture
from .failures import BuildFailed, StepFailed
from .image_places import PLACES

_SECONDS = 600.0
_KEPT = re.compile(
    rb"(?:HEAD|packed-refs|shallow|refs|refs/.*|objects|objects/(?!info/(?:alternates|http)).*)", re.DOTALL
)
"""What is taken of its .git. Settings name programs that git runs, alternates name folders of the host."""


async def carry_repository(backend: Backend, instance: Instance, into: Path) -> None:
    """Copy the image's checkout of the row's repository into the new folder `into`, a bare repository.

    Raises BuildFailed where the image has none, CannotStart.
    """
    world = World(root=Image(instance.image), network="none")
    sandbox = await backend.start(world, name=f"look-{instance.id}", limits=Limits(timeout=_SECONDS))
    try:
        name = instance.repo.rstrip("/").rpartition("/")[2].removesuffix(".git")
        places = [instance.workdir, *PLACES, (await sandbox.run("pwd")).output.strip()]
        places += [f"{place}/{name}" for place in PLACES]
        for place in dict.fromkeys(one for one in places if one.startswith("/")):
            if (await sandbox.run(f"test -f '{place}/.git/HEAD'", cwd="/")).exit_code == 0:
                break
        else:
            raise BuildFailed(
                f"the image {instance.image} of {instance.id} has no repository in any usual place, and "
                f"{instance.repo} is not to be had elsewhere: give a folder with a clone of it (--repos DIR)"
            )
        os.mkdir(into)
        await capture(sandbox, f"{place}/.git", into)
    except StepFailed as failed:
        raise BuildFailed(
            f"the repository of the image {instance.image} cannot be copied", failed.lines
        ) from failed
    finally:
        await sandbox.close()
    _clean(into)


def _clean(git_dir: Path) -> None:
    top = os.fsencode(git_dir)
    for parent, folders, files in os.walk(top, topdown=False):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            inside = os.path.relpath(path, top)
            if os.path.islink(path) or (not os.path.isdir(path) and not _KEPT.fullmatch(inside)):
                os.unlink(path)
    (git_dir / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
