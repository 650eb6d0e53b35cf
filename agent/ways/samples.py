"""Repeated sampling: the same question for a patch, asked as often as there are attempts.

Source: Brown et al., "Large Language Monkeys" (2024). It samples whole runs of an agent; here a sample is one reply, so
that hundreds share one prefix and few requests.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..candidate import Candidate
from ..proposing import patch_opening, shown_files
from ..settings import PatchSettings
from .means import Means
from .patches import direct_patches


async def samples(
    means: Means, numbers: Sequence[int], settings: PatchSettings, mind: str = ""
) -> list[Candidate]:
    """The attempts with these numbers: patches from the files that were chosen for the issue; nothing is run.

    mind: as Means.make has it.
    """
    opening = patch_opening(means.task, shown_files(await means.context()), settings)
    return await direct_patches(means, numbers, opening, settings, mind)
