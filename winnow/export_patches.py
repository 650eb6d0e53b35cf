"""Patches on their way out: SWE-bench predictions, and a file for each patch.

Format of predictions: SWE-bench's evaluation guide: instance_id, model_name_or_path, model_patch, as JSON lines or as
one JSON list. Its harness puts model_name_or_path into paths, so that there is no slash in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from environments import json_text
from environments.datasets import folder_name

from .export_candidates import ALL, Handed
from .export_places import new_folder, write_exact, write_lines
from .export_secrets import Scrubber


def prediction(each: Handed, name: str, which: str, scrubber: Scrubber) -> dict[str, str]:
    """One prediction. name: of the system; where all candidates are exported, each is one of its own, and "" for
    imported ones, which have names.
    """
    if which == ALL:
        name = f"{name}__{each.candidate}" if name else each.candidate
    return {
        "instance_id": each.task,
        "model_name_or_path": scrubber.clean(name.replace("/", "__")),
        "model_patch": scrubber.clean_patch(each.patch),
    }


def write_predictions_lines(
    out: Path, patches: Iterator[Handed], name: str, which: str, scrubber: Scrubber
) -> int:
    """Write predictions as JSON lines; how many."""
    return write_lines(out, (json_text(prediction(each, name, which, scrubber)) + "\n" for each in patches))


def write_predictions_list(
    out: Path, patches: Iterator[Handed], name: str, which: str, scrubber: Scrubber
) -> int:
    """Write predictions as one JSON list, a row a line; how many."""

    def lines() -> Iterator[str]:
        before = "[\n"
        for each in patches:
            yield before + json_text(prediction(each, name, which, scrubber))
            before = ",\n"
        yield "[]\n" if before == "[\n" else "\n]\n"

    return write_lines(out, lines()) - 1


def write_patches(out: Path, patches: Iterator[Handed], which: str, scrubber: Scrubber) -> tuple[int, int]:
    """Write INSTANCE.patch for each patch, INSTANCE/CANDIDATE.patch where all are wanted; (written, empty ones).

    Nothing is written for an empty patch. Ids and names that no file could have are changed as datasets.folder_name
    says.
    """
    written = empty = 0
    with new_folder(out) as folder:
        for each in patches:
            if not each.patch.strip():
                empty += 1
                continue
            place = folder / folder_name(each.task)
            if which == ALL:
                place = place / folder_name(each.candidate)
            write_exact(place.with_name(place.name + ".patch"), scrubber.clean_patch(each.patch))
            written += 1
    return written, empty
