"""No agent: places are found level by level, then many patches are written from each of several findings.

Source: Xia et al., "Agentless: Demystifying LLM-based Software Engineering Agents" (2024). Its third phase, choosing by
existing tests, reproduction tests and majority, is selection's strategy of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence

from models import Model
from sandbox import Sandbox

from ..candidate import Candidate
from ..localising import LocalisingSettings, Located, localise
from ..proposing import patch_opening
from ..settings import PatchSettings
from ..side_by_side import together
from .means import Means
from .patches import direct_patches


async def agentless(
    means: Means, attempts: int, settings: LocalisingSettings, patches: PatchSettings
) -> list[Candidate]:
    """`attempts` patches, shared evenly among the samples of the places to be changed."""
    samples = min(settings.samples, attempts)

    async def work(model: Model, sandbox: Sandbox) -> list[Located]:
        return await localise(model, means.task, settings, patches, samples, means.tell)

    found = await means.think("localise", work)
    made = await together(
        [
            direct_patches(
                means, numbers, patch_opening(means.task, located.parts, patches, parts=True), patches
            )
            for located, numbers in zip(found, shares(attempts, len(found)), strict=True)
        ]
    )
    return [candidate for share in made for candidate in share]


def shares(attempts: int, among: int) -> Sequence[range]:
    """The numbers of the attempts of each share, as even as can be: 10 among 4 -> 1-3, 4-6, 7-8, 9-10."""
    ends = [0]
    for i in range(among):
        ends.append(ends[-1] + attempts // among + (i < attempts % among))
    return [range(first + 1, last + 1) for first, last in zip(ends, ends[1:], strict=False)]
