"""Understand, localise, patch: several candidates of each phase, of which the best by a judge go on to the next.

What is run on the patches, the fourth phase, is selection's business (reproduction cases, existing tests).
Source: Ma et al., "Thinking Longer, Not Larger" (2025, arXiv 2503.23803), development-process-based search. Its process
reward model is trained; here a model is asked, as the judge of patches is.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from models import Message, Model
from sandbox import Sandbox

from ..candidate import Candidate
from ..phases import LOCALISE, UNDERSTAND, Finding, Phase, PhaseSettings, best, find, shown_texts
from ..proposing import patch_opening, shown_files
from ..render import render
from ..settings import PatchSettings
from ..side_by_side import together
from .means import Means
from .patches import direct_patches


class ReasonerSettings(PhaseSettings):
    """How wide the search is."""

    samples: int = Field(default=4, ge=1)
    """Understandings, and localisations, that are made; patches are as many as `attempts`. The paper's budget is 8."""

    beam: int = Field(default=2, ge=1)
    """How many of them go on to the next phase: the best by the judge that do not name the same files or places."""


async def reasoner(
    means: Means, attempts: int, settings: ReasonerSettings, patches: PatchSettings
) -> list[Candidate]:
    """`attempts` patches, each from one of the localisations that were kept; those the world ended are left out.

    Where nothing that was said in a phase can be used, the files that are chosen for the issue stand in for it.
    """
    understood = await _phase(means, UNDERSTAND, [None], settings, patches)
    localised = await _phase(means, LOCALISE, understood or [None], settings, patches)
    starts = [await _opening(means, found, settings, patches) for found in localised or [None]]
    made = await together(
        [
            direct_patches(means, range(i + 1, attempts + 1, len(starts)), opening, patches)
            for i, opening in enumerate(starts)
        ]
    )
    return sorted((c for part in made for c in part), key=lambda c: int(c.id.removeprefix("attempt-")))


async def _phase(
    means: Means,
    phase: Phase,
    before: Sequence[Finding | None],
    settings: ReasonerSettings,
    patches: PatchSettings,
) -> list[Finding]:
    """The best candidates of a phase, each from one of those of the phase before, in turn."""
    starts = [(one, await _files(means, phase, one, settings, patches)) for one in before]

    async def candidate(number: int) -> Finding | None:
        start, files = starts[(number - 1) % len(starts)]

        async def work(model: Model, sandbox: Sandbox) -> Finding | None:
            temperature = patches.temperature(number)
            return await find(model, means.task, phase, start, files, settings, patches, temperature)

        return await means.think(f"{phase.name}-{number}", work)

    found = await together([candidate(number) for number in range(1, settings.samples + 1)])
    kept = best([one for one in found if one is not None], settings.beam)
    scores = ", ".join(f"{one.score:.2f}" for one in kept)
    means.tell(
        f"{phase.name}: {len(kept)} of {settings.samples} go on ({scores})" if kept else f"{phase.name}: none"
    )
    return kept


async def _files(
    means: Means, phase: Phase, before: Finding | None, settings: ReasonerSettings, patches: PatchSettings
) -> list[tuple[str, str]]:
    """What a candidate is shown of the repository: nothing but names at first."""
    if phase is UNDERSTAND:
        return []
    if before is None:
        return shown_files(await means.context())
    return shown_texts(means.task, before.paths, settings.shown_chars(patches))


async def _opening(
    means: Means, found: Finding | None, settings: ReasonerSettings, patches: PatchSettings
) -> Sequence[Message]:
    """The question for a patch from one localisation."""
    if found is None:
        return patch_opening(means.task, shown_files(await means.context()), patches)
    files = shown_texts(means.task, found.paths, settings.shown_chars(patches))
    system, _ = patch_opening(means.task, files, patches)
    return system, Message("user", render("phase_patch", found=found.text))
