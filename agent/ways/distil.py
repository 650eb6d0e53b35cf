"""A wave of attempts, distilled to summaries; the best of these are told to a second wave; both are weighed at the end.

Source: arXiv 2604.16529 (Parallel-Distill-Refine with Recursive Tournament Voting). It finds that what the first wave's
summaries say decides the second wave, and that more issues are solved by no attempt at all after it: so which summaries
are told follows from evidence, and some attempts of the second wave are told nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..candidate import Candidate
from ..normalising import cut_middle
from ..render import render, shown_file
from ..settings import ToolSettings
from ..side_by_side import together
from .evoscale import survivors
from .independent import by_tools, numbered
from .means import Means, Weighed


class DistilSettings(BaseModel):
    """How attempts are divided among the two waves, and what the second is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    first: float = Field(default=0.5, gt=0, le=1)
    """Share of the attempts that the first wave makes (at least one)."""

    keep: int = Field(default=4, ge=1)
    """Attempts that the second wave is told of at most: different patches, the best by the evidence."""

    untold: float = Field(default=0.25, ge=0, le=1)
    """Share of the second wave that is told nothing, rounded down to whole attempts."""

    patch_chars: int = Field(default=12_000, ge=200)
    """Characters of each of their patches that it is shown; more is cut in the middle."""


async def distil(
    means: Means, tools: ToolSettings, attempts: int, settings: DistilSettings
) -> list[Candidate]:
    """Both waves by tools; those that the world ended are left out."""
    first, told = waves(attempts, settings)
    made = await numbered(by_tools(means, tools), range(1, first + 1))
    if not made or first == attempts:
        return made
    guidance = ""
    if told:
        weighed = await means.weigh("first-wave", made)
        # A third of the window at most, at three characters a token: the attempts need the rest for themselves.
        guidance = cut_middle(_guidance(weighed, made, settings), tools.context_window)
    second = await together(
        [
            numbered(by_tools(means, tools, guidance=guidance), range(first + 1, first + told + 1)),
            numbered(by_tools(means, tools), range(first + told + 1, attempts + 1)),
        ]
    )
    return [*made, *second[0], *second[1]]


def waves(attempts: int, settings: DistilSettings) -> tuple[int, int]:
    """(attempts of the first wave, attempts of the second that are told of them); the others are told nothing."""
    first = min(attempts, max(1, round(attempts * settings.first)))
    second = attempts - first
    return first, second - int(second * settings.untold)


def _guidance(weighed: Weighed, made: Sequence[Candidate], settings: DistilSettings) -> str:
    """What the second wave is told: the best attempts with different patches; "" where there is no patch."""
    told = [
        (
            weighed.summaries.get(candidate.id, ""),
            weighed.feedback.get(candidate.id, ""),
            cut_middle(shown_file(candidate.patch), settings.patch_chars),
        )
        for candidate in survivors(made, weighed, settings.keep)
    ]
    return render("distil_guidance", told=told, attempts=len(weighed.order)) if told else ""
