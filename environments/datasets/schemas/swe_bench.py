"""SWE-bench: full, Lite, Verified, Multilingual, Multimodal.

Sources: the dataset cards of SWE-bench/SWE-bench, SWE-bench_Lite and SWE-bench_Verified, docs/guides/datasets.md of
github.com/SWE-bench/SWE-bench (columns and splits); swebench/task/checks.py there and, in version 4.1,
swebench/harness/test_spec (names of images, /testbed, the conda environment testbed of Python images).
"""

from __future__ import annotations

from dataclasses import replace

from ...instance import Instance, Reference
from ..row import Row
from ..usual import usual

WORKDIR = "/testbed"
CONDA = ". /opt/miniconda3/bin/activate && conda activate testbed"


def python_row(row: Row) -> tuple[Instance, Reference]:
    """A row of full, Lite or Verified: the official image, in which conda has the environment."""
    instance, reference = _official(row)
    return replace(instance, activate=instance.activate or CONDA), reference


def multilingual_row(row: Row) -> tuple[Instance, Reference]:
    """A row of Multilingual. Which language it is in, no column says: it is told by the repository's files."""
    instance, reference = _official(row)
    return replace(instance, language=row.word("language").lower()), reference


def multimodal_row(row: Row) -> tuple[Instance, Reference]:
    """A row of Multimodal: JavaScript. The pictures of the issue are links in its text; they are not fetched."""
    instance, reference = _official(row)
    return replace(instance, language="javascript"), reference


def official_image(instance_id: str, namespace: str = "swebench") -> str:
    """The image's name: Docker takes no double underscore, the official names have _1776_ in its place."""
    return f"{namespace}/sweb.eval.x86_64.{instance_id}:latest".lower().replace("__", "_1776_")


def _official(row: Row) -> tuple[Instance, Reference]:
    instance, reference = usual(row)
    image = instance.image or official_image(instance.id)
    return replace(instance, image=image, workdir=instance.workdir or WORKDIR), reference
