"""Generations of patches, each shown the best of those before it and what is known of them.

Source: Zeng et al., "Satori-SWE: Evolutionary Test-Time Scaling for Sample-Efficient Software Engineering" (2025),
EvoScale. Its models are trained to write better patches than those they are shown; prompted models are helped by
evidence instead, so the survivors come with what tests and a judge said of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models import Message

from ..candidate import Candidate
from ..normalising import cut_middle
from ..proposing import patch_opening, shown_files
from ..render import render
from ..settings import PatchSettings
from .means import Means, Weighed
from .patches import direct_patches

_FENCED = re.compile(r"^(`{4,})\n(.{200,}?)^\1$", re.MULTILINE | re.DOTALL)
"""A block in a frame of backticks (`fenced`) that is worth naming instead."""


class EvoscaleSettings(BaseModel):
    """How patches evolve. Generations are as many as `attempts` need at this population (the paper: four)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    population: int = Field(default=5, ge=1)
    """New patches of one generation. The paper: 5."""

    survivors: int = Field(default=5, ge=1)
    """Different patches that the next generation is shown at most. The paper: 5."""

    among: Literal["all", "last"] = "all"
    """Whom survivors are chosen from: all patches so far, or the last generation's alone as in the paper (where with as
    many survivors as new patches nothing is chosen at all)."""

    patch_chars: int = Field(default=8_000, ge=200)
    """Characters of a survivor's patch that are shown; more is cut in the middle."""

    feedback_chars: int = Field(default=6_000, ge=200)
    """Characters of what is said of a survivor; more is cut in the middle."""


async def evoscale(
    means: Means, attempts: int, settings: EvoscaleSettings, patches: PatchSettings
) -> list[Candidate]:
    """`attempts` patches in generations; all of them are candidates in the end, since a later one may be worse."""
    plain = patch_opening(means.task, shown_files(await means.context()), patches)
    pool: list[Candidate] = []
    last: list[Candidate] = []
    asked: Sequence[Message] = plain
    for generation, numbers in enumerate(generations(attempts, settings.population)):
        if among := (pool if settings.among == "all" else last):
            weighed = await means.weigh(f"generation-{generation}", among)
            asked = evolved(plain, survivors(among, weighed, settings.survivors), weighed, settings)
        last = await direct_patches(means, numbers, asked, patches)
        pool = [*pool, *last]
    return pool


def generations(attempts: int, population: int) -> list[range]:
    """The numbers of the attempts of each generation: 12 by 5 -> 1-5, 6-10, 11-12."""
    return [
        range(first, min(first + population, attempts + 1)) for first in range(1, attempts + 1, population)
    ]


def survivors(candidates: Sequence[Candidate], weighed: Weighed, most: int) -> list[Candidate]:
    """The best `most` that have a patch, the best first; of equal patches the best placed one."""
    by_id = {candidate.id: candidate for candidate in candidates}
    ranked = [by_id[name] for name in weighed.order if name in by_id and by_id[name].patch]
    different: Mapping[str, Candidate] = {candidate.patch: candidate for candidate in reversed(ranked)}
    return [candidate for candidate in ranked if different[candidate.patch] is candidate][:most]


def evolved(
    plain: Sequence[Message], best: Sequence[Candidate], weighed: Weighed, settings: EvoscaleSettings
) -> Sequence[Message]:
    """The question for a new patch in the light of the survivors; the plain one where there are none."""
    if not best:
        return plain
    said = once([weighed.feedback.get(candidate.id, "") for candidate in best])
    shown = [
        (cut_middle(candidate.patch, settings.patch_chars), cut_middle(words, settings.feedback_chars))
        for candidate, words in zip(best, said, strict=True)
    ]
    return plain[0], Message("user", render("evolve", survivors=shown))


def once(texts: Sequence[str]) -> list[str]:
    """The texts, a fenced block that an earlier one has (the test that they all fail) named instead of repeated."""
    seen: set[str] = set()

    def block(found: re.Match[str]) -> str:
        if found[2] in seen:
            return "(It stands above.)"
        seen.add(found[2])
        return found[0]

    return [_FENCED.sub(block, text) for text in texts]
