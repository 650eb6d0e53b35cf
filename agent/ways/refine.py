"""One attempt after the other, each told the best so far and what the verifier said of it, until that is content.

Source: Iterative Agent Decoding (Chakraborty et al., 2025, arXiv 2504.01931): the next attempt is conditioned on the
best one and on feedback; it finds that feedback, not more samples, is what the gains come from.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..candidate import Candidate
from ..normalising import cut_middle
from ..render import render, shown_file
from ..settings import ToolSettings
from .independent import by_tools
from .means import Means, Weighed


class RefineSettings(BaseModel):
    """When refining ends, and what is told of the best attempt."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    sure: float = Field(default=0.65, ge=0, le=1)
    """No further attempt is made once the best one is worth choosing and at least this likely right
    (`selection.confidence`): with the preset's evidence one that breaks nothing, resolves all cases and convinces the
    judge is. 1: all attempts are made. `winnow report` says of graded runs how often that was true."""

    patch_chars: int = Field(default=24_000, ge=200)
    """Characters of the best attempt's patch that the next one is shown; more is cut in the middle."""


async def refine(
    means: Means, tools: ToolSettings, attempts: int, settings: RefineSettings
) -> list[Candidate]:
    """At most `attempts` by tools, one after the other.

    Where the world ends one, no further one is made: each is built on all before it, so it waits until that one has
    come to an end of its own.
    """
    made: list[Candidate] = []
    guidance = ""
    for number in range(1, attempts + 1):
        candidate = await by_tools(means, tools, guidance=guidance)(f"attempt-{number}")
        if candidate is None:
            break
        made.append(candidate)
        if number == attempts:
            break
        weighed = await means.weigh(f"round-{number}", made)
        if _content(weighed, settings):
            means.tell(f"{weighed.order[0]} is {weighed.sure:.0%} sure: no further attempt is made.")
            break
        # A third of the window at most, at three characters a token: the attempt needs the rest for itself.
        guidance = cut_middle(_guidance(weighed, made, settings), tools.context_window)
    return made


def _content(weighed: Weighed, settings: RefineSettings) -> bool:
    """Whether the verifier has nothing against the best and is sure enough of it."""
    best = weighed.order[0]
    return best in weighed.worth and weighed.sure is not None and weighed.sure >= settings.sure


def _guidance(weighed: Weighed, made: Sequence[Candidate], settings: RefineSettings) -> str:
    """What the next attempt is told; "" where no attempt has changed anything yet."""
    best = next(candidate for candidate in made if candidate.id == weighed.order[0])
    if not best.patch.strip():
        return ""
    return render(
        "refine_guidance",
        patch=cut_middle(shown_file(best.patch), settings.patch_chars),
        feedback=weighed.feedback.get(best.id, ""),
        others=len(made) - 1,
    )
