"""SWE-Gym. Source: the dataset card of SWE-Gym/SWE-Gym (columns, split train); README.md of github.com/SWE-Gym/SWE-Gym
(images by the prefix xingyaoww/sweb.eval.x86_64.); that "__" is written "_s_" in their names, several public users of
them have (mini-swe-agent's forks). The images were made by SWE-bench's harness: /testbed and conda's testbed.
"""

from __future__ import annotations

from dataclasses import replace

from ...instance import Instance, Reference
from ..row import Row
from ..usual import usual
from .swe_bench import CONDA, WORKDIR


def swe_gym_row(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-Gym, SWE-Gym-Lite too."""
    instance, reference = usual(row)
    image = instance.image or f"xingyaoww/sweb.eval.x86_64.{instance.id}:latest".lower().replace("__", "_s_")
    return replace(instance, image=image, workdir=WORKDIR, activate=CONDA), reference
