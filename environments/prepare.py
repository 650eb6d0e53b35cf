"""From what the user names, a repository and an issue, to the task that everything else works on."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.secrets import KNOWN
from models.secrets.settings import reveal
from sandbox import Dockerfile, Image, Images, Place, RootFs, Sandbox, check_rootfs, folder_with

from .detection import Overrides, detect, root_of
from .frozen_copy import copy_files, list_files
from .repository import freeze, repository_name
from .task import Recipe, Snapshot, Task

if TYPE_CHECKING:
    from .building import IndexNetwork

_SETUP_SECONDS = 3600.0
_NAMES = 20  # of the repository's top level, looked for in an image


class SetupFailed(Exception):
    """The set-up script ended badly. The message has its exit code and its last lines."""


def prepare_task(
    source: str | Path,
    issue: str,
    *,
    folder: Path,
    id: str | None = None,
    overrides: Overrides | None = None,
    at: str | None = None,
    commit: str | None = None,
    environ: Mapping[str, str] | None = None,
    images: Images | None = None,
) -> Task:
    """Freeze the repository and everything it needs under `folder`, which the caller owns, and find its recipe.

    source, commit: as `freeze` takes them. at: where sandboxes show it; by default the folder that the image starts
    in, where that holds the repository, else as `freeze` has it. environ: the host's environment. images: makes an
    image ready, and tells how it is pulled or built. Blocks for seconds, or as long as that takes.
    Raises RepositoryError, NotSealed, and sandbox.CannotStart (WrongRoot) where there is no such image.
    """
    clone = folder / "clone.git"
    snapshot = freeze(source, folder / "tree", clone_into=clone, at=at, commit=commit)
    shutil.rmtree(clone, ignore_errors=True)
    if at is None and (place := _place_in_image(snapshot, overrides or Overrides(), images)):
        note = f"the repository is shown at {place}, where the image has it"
        snapshot = replace(snapshot, at=place, notes=(*snapshot.notes, note))
    recipe = detect(snapshot.tree, at=snapshot.at, overrides=overrides, environ=environ)
    places, notes = _freeze_places(recipe.places, folder / "places")
    recipe = replace(recipe, places=places)
    snapshot = replace(snapshot, notes=(*snapshot.notes, *notes))
    return Task(id or task_id(source, issue, snapshot), issue, snapshot, recipe)


async def run_setup(
    sandbox: Sandbox, recipe: Recipe, timeout: float = _SETUP_SECONDS, network: IndexNetwork | None = None
) -> str:
    """Run the recipe's set-up script; returns its output. network: what the sandbox was given of one (`attach`).

    Raises SetupFailed, SandboxDied.
    """
    if not recipe.setup:
        return ""
    setup = reveal(recipe.setup, "start the run anew with --setup, or put the set-up line into a variable")
    with network.step() if network else contextlib.nullcontext() as env:
        result = await sandbox.run(setup, timeout=timeout, env=env)
    if network is not None:
        output = network.explained(result.output)
        if result.exit_code and (sentence := network.missed(output)):
            output += f"\n{sentence}"
        result = replace(result, output=output)
    if result.ended == "timeout":
        raise SetupFailed(f"the set-up script did not end within {timeout:.0f} s: {_tail(result.output)}")
    if result.exit_code:
        raise SetupFailed(
            f"the set-up script ended with exit code {result.exit_code}: {_tail(result.output)}"
        )
    return result.output


def task_id(source: str | Path, issue: str, snapshot: Snapshot) -> str:
    """A name made from the repository and the issue: the same for the same issue at the same state."""
    digest = hashlib.sha256(f"{snapshot.head}\n{issue}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{repository_name(source)}-{digest[:8]}"


def _place_in_image(snapshot: Snapshot, said: Overrides, images: Images | None) -> str | None:
    """The image's own place of the repository: what is installed there points to it (an editable installation)."""
    root = root_of(snapshot.tree, said)
    if isinstance(root, RootFs):
        check_rootfs(root.folder)  # a wrong word is said before anything is started
    if not isinstance(root, Image | Dockerfile):
        return None
    top = {path.partition("/")[0] for path in snapshot.files()}
    return folder_with(images or Images("prepare"), root, sorted(top)[:_NAMES])


def _freeze_places(places: tuple[Place, ...], folder: Path) -> tuple[tuple[Place, ...], list[str]]:
    """Copies of the folders outside the repository: what the user installs meanwhile changes no sandbox."""
    frozen, notes = [], []
    for number, place in enumerate(places, 1):
        target = folder / str(number)
        target.mkdir(parents=True)
        listing = list_files(place.source)
        notes += [f"{place.target}: {note}" for note in copy_files(place.source, target, listing)]
        frozen.append(Place(target, place.target))
    return tuple(frozen), notes


def _tail(output: str) -> str:
    output = KNOWN.clean(KNOWN.redact_reply(output))
    return "\n".join(output.strip().splitlines()[-15:])[-2000:] or "it printed nothing"
