"""SWE-rebench. Source: the dataset card of nebius/SWE-rebench (columns; created_at is a timestamp, version a number or
a text), and github.com/SWE-rebench/SWE-bench-fork: README.md (the images of the leaderboard's rows by the namespace
swerebench, none for the others), swebench/harness/utils.py (install_config).
"""

from __future__ import annotations

from dataclasses import replace

from ...instance import Instance, Reference
from ..row import Row
from ..usual import usual
from .swe_bench import CONDA, WORKDIR, official_image


def rebench_row(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-rebench: with an image where a column names one, else built by its install_config."""
    instance, reference = usual(row)
    if not instance.image:
        return instance, reference
    return replace(instance, workdir=WORKDIR, activate=CONDA), reference


def leaderboard_row(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-rebench-leaderboard, which has an image for each."""
    instance, reference = usual(row)
    image = instance.image or official_image(instance.id, "swerebench")
    return replace(instance, image=image, workdir=WORKDIR, activate=CONDA), reference
