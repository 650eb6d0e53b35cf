"""Listing what Winnow keeps of images, and removing the least recently used until the rest fits a budget."""

from __future__ import annotations

from pathlib import Path

from .docker_client import Engine, plain_errors
from .docker_layers import remove_image
from .image_facts import describe
from .keeping import Entry, Kept, alone, entries, forget
from .unpacking import remove_unpacked, unpacked_folder


def list_images(state: Path, engine: Engine | None) -> list[Entry]:
    """What is on record and still there, the least recently used first. Blocks.

    engine: None where none answers; then only what is unpacked is listed.
    """
    return [entry for entry in entries(state) if _is_there(state, engine, entry.kept)]


def prune_images(state: Path, budget: int, engine: Engine | None) -> list[Kept]:
    """Remove the least recently used images until all that is listed is within `budget` bytes. -> what went. Blocks.

    Never one that a living run uses (of any process, by its lock), that a container or another image stands on, or
    that has another name in the engine than the one Winnow gave it: that one loses only Winnow's name.
    """
    gone: list[Kept] = []
    again = True
    while again:  # an image that others stand on can go after them
        again = False
        listed = list_images(state, engine)
        total = sum(entry.kept.size for entry in listed)
        for entry in listed:
            if total <= budget:
                break
            with alone(state, entry.kept) as free:
                if not free or not _removed(state, engine, entry.kept):
                    continue
                forget(state, entry.kept)
            gone.append(entry.kept)
            total -= entry.kept.size
            again = True
    return gone


def _is_there(state: Path, engine: Engine | None, kept: Kept) -> bool:
    if kept.kind == "unpacked":
        return unpacked_folder(state, kept.image).is_dir()
    return (
        engine is not None
        and engine.info.get("ID") == kept.engine
        and describe(engine, kept.image) is not None
    )


def _removed(state: Path, engine: Engine | None, kept: Kept) -> bool:
    if kept.kind == "unpacked":
        remove_unpacked(unpacked_folder(state, kept.image))
        return True
    return engine is not None and _removed_from(engine, kept)


def _removed_from(engine: Engine, kept: Kept) -> bool:
    """Remove an image, or only our name of it where it has others. Never by force."""
    facts = describe(engine, kept.image)
    if facts is None:
        return True
    named = describe(engine, kept.tag)
    ours = kept.tag if named is not None and named.id == facts.id else ""
    others = len(facts.tags) - bool(ours)
    if others > 0:
        return not ours or _untag(engine, ours)
    if _stood_on(engine, facts.id):
        return False
    return remove_image(engine, ours or facts.id, steps=kept.kind == "built")


def _untag(engine: Engine, name: str) -> bool:
    return remove_image(engine, name)


def _stood_on(engine: Engine, image: str) -> bool:
    """Whether a container was made from the image, or an image on top of it: the engine itself would only unname it."""
    with plain_errors():
        if engine.api.containers(all=True, filters={"ancestor": [image]}):
            return True
        return any(other["ParentId"] == image for other in engine.api.images(all=True))
