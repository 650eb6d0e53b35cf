"""Layers of generators, critics, rankers, fusers, verifiers and tests, as a file says (Archon).

Each layer changes or narrows the proposals that the layer before left. Source: Saad-Falcon et al., "Archon: An
Architecture Search Framework for Inference-Time Techniques" (2024, arXiv 2409.15254). Unlike there, a layer of tests
has its verdicts from what was run (`Means.weigh`), not from a model that reads code.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models import Message, Model
from sandbox import Sandbox

from ..archon_roles import Shown, critique, merged, rank, shown, verify
from ..candidate import Candidate
from ..normalising import cut_middle
from ..proposing import patch_opening, shown_files
from ..render import render
from ..settings import PatchSettings
from ..side_by_side import together
from .means import Means
from .patches import direct_patches

_STRICT = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
T = TypeVar("T")


class LayerSettings(BaseModel):
    """One layer."""

    model_config = _STRICT

    kind: Literal["generate", "critique", "rank", "fuse", "verify", "test"]
    """generate: candidates from the issue alone; critique: strengths and weaknesses of each; rank: the best `keep` go
    on; fuse: new candidates from all there are, with what was said of them; verify: those that a model which reasons
    about them calls right go on; test: those that nothing which was run speaks against go on."""

    samples: int | None = Field(default=None, ge=1)
    """Candidates that it makes; or critics, rankings, verdicts, of each candidate as many. None: one, and in a layer
    that generates all of `attempts` that the other layers do not make."""

    keep: int | None = Field(default=None, ge=1)
    """rank, test: candidates that go on at most; None: all, in their order."""

    member: str = ""
    """Who answers: a member of the mixture. Default: the run's model."""

    temperature: float | None = Field(default=0.7, ge=0)
    """Of its calls; None leaves it to the server. Archon: 0.7."""

    agent: Literal["samples", "codemonkeys", "tools"] = "samples"
    """generate: how a candidate is made."""

    replace: bool = False
    """fuse: whether only the new candidates go on, as in Archon, and not those that they were made from."""


class ArchonSettings(BaseModel):
    """An architecture."""

    model_config = _STRICT

    layers: tuple[LayerSettings, ...] = ()
    """From the first on."""

    patch_chars: int = Field(default=8_000, ge=200)
    """Characters of each patch that rankers and fusers are shown; more is cut in the middle."""

    words_chars: int = Field(default=4_000, ge=200)
    """Characters of each critique that they are shown."""

    @model_validator(mode="after")
    def _possible(self) -> ArchonSettings:
        for i, layer in enumerate(self.layers):
            if why := _impossible(self.layers, i):
                raise ValueError(f"layer {i + 1} ({layer.kind}) is not possible there: {why}")
        return self

    def numbers(self, attempts: int) -> list[range]:
        """The numbers of the attempts that each layer makes. Raises ValueError where they are not `attempts` in all."""
        counts = [(layer.samples or 1) if layer.kind in _MAKERS else 0 for layer in self.layers]
        open_ = [
            i for i, layer in enumerate(self.layers) if layer.kind == "generate" and layer.samples is None
        ]
        if open_:
            counts[open_[0]] = attempts - sum(counts) + 1
        if sum(counts) != attempts or min([*counts, 0]) < 0 or (open_ and counts[open_[0]] < 1):
            fixed = sum(counts) - (counts[open_[0]] if open_ else 0)
            need = f"at least {fixed + 1}" if open_ else f"{fixed}"
            raise ValueError(
                f"the layers make {need} attempts, and attempts is {attempts}: change one of the two"
            )
        ends = [sum(counts[: i + 1]) for i in range(len(counts))]
        return [range(end - count + 1, end + 1) for count, end in zip(counts, ends, strict=True)]


_MAKERS = ("generate", "fuse")
_ONLY_IN: Mapping[str, tuple[str, ...]] = {
    "samples": ("generate", "critique", "rank", "fuse", "verify"),
    "keep": ("rank", "test"),
    "member": ("generate", "critique", "rank", "fuse", "verify"),
    "agent": ("generate",),
    "replace": ("fuse",),
}
"""Which kinds of layers a setting is for."""

Generate = Callable[[LayerSettings, Sequence[int]], Awaitable[list[Candidate]]]
"""Makes the attempts with these numbers as a layer that generates says."""


async def archon(
    means: Means, attempts: int, settings: ArchonSettings, patches: PatchSettings, generate: Generate
) -> list[Candidate]:
    """The candidates that are left after the last layer, and those with the very same patches."""
    architecture = _Architecture(means, settings, patches, generate)
    for place, (layer, numbers) in enumerate(
        zip(settings.layers, settings.numbers(attempts), strict=True), 1
    ):
        await architecture.pass_through(place, layer, numbers)
    left = {candidate.patch for candidate in architecture.pool}
    return [one for one in architecture.made if one.patch in left] or architecture.made


class _Architecture:
    """The state between two layers. made: all candidates; pool: those that go on, each patch once, the best first where
    a layer has ranked them; said: what critics and tests said, by id.
    """

    def __init__(self, means: Means, settings: ArchonSettings, patches: PatchSettings, generate: Generate):
        self.made: list[Candidate] = []
        self.pool: list[Candidate] = []
        self.said: dict[str, list[str]] = {}
        self._means = means
        self._settings = settings
        self._patches = patches
        self._generate = generate

    async def pass_through(self, place: int, layer: LayerSettings, numbers: Sequence[int]) -> None:
        """One layer. With no proposal there is nothing that a layer could do, unless it generates."""
        if layer.kind == "generate":
            self._add(await self._generate(layer, numbers))
            return
        settled = await self._means.settle(f"layer-{place}", self.pool)
        self.pool = settled
        if not settled:
            return
        match layer.kind:
            case "critique":
                await self._critique(place, layer)
            case "rank":
                await self._rank(place, layer)
            case "fuse":
                await self._fuse(layer, numbers)
            case "verify":
                await self._verify(place, layer)
            case "test":
                await self._test(place, layer)

    async def _critique(self, place: int, layer: LayerSettings) -> None:
        system = await self._system()

        async def one(candidate: Candidate, i: int) -> str:
            async def work(model: Model, sandbox: Sandbox) -> str:
                return await critique(model, system, self._cut(candidate), self._patches, layer.temperature)

            return await self._means.think(f"critique-{place}-{candidate.id}-{i}", work, layer.member)

        for candidate, words in await self._of_each(one, layer):
            self.said.setdefault(candidate.id, []).extend(text for text in words if text)

    async def _rank(self, place: int, layer: LayerSettings) -> None:
        """Each ranking begins with another candidate, so that no place in the list is everybody's first."""
        system, pool = await self._system(), self.pool
        if len(pool) > 1:

            async def one(i: int) -> list[str] | None:
                turn = (i - 1) * len(pool) // (layer.samples or 1)
                turned = [*pool[turn:], *pool[:turn]]

                async def work(model: Model, sandbox: Sandbox) -> list[str] | None:
                    labels = await rank(model, system, self._shown(turned), self._patches, layer.temperature)
                    return labels and [turned[int(label[1:]) - 1].id for label in labels]

                return await self._means.think(f"rank-{place}-{i}", work, layer.member)

            rankings = await together([one(i) for i in range(1, (layer.samples or 1) + 1)])
            by_id = {candidate.id: candidate for candidate in pool}
            pool = [by_id[name] for name in merged(rankings, list(by_id))]
        self.pool = pool[: layer.keep]

    async def _fuse(self, layer: LayerSettings, numbers: Sequence[int]) -> None:
        question = Message("user", render("archon_fuse", candidates=self._shown(self.pool)))
        opening = (await self._system(), question)
        patches = self._patches.model_copy(update={"temperatures": (layer.temperature,)})
        fused = await direct_patches(self._means, numbers, opening, patches, layer.member)
        if layer.replace and any(candidate.patch for candidate in fused):
            self.pool = []
        self._add(fused)

    async def _verify(self, place: int, layer: LayerSettings) -> None:
        """Candidates stay that more verdicts call right than wrong; all of them where none does."""
        system = await self._system()

        async def one(candidate: Candidate, i: int) -> bool | None:
            async def work(model: Model, sandbox: Sandbox) -> bool | None:
                return await verify(model, system, self._cut(candidate), self._patches, layer.temperature)

            return await self._means.think(f"verify-{place}-{candidate.id}-{i}", work, layer.member)

        found = await self._of_each(one, layer)
        self.pool = [c for c, verdicts in found if verdicts.count(True) > verdicts.count(False)] or self.pool

    async def _test(self, place: int, layer: LayerSettings) -> None:
        weighed = await self._means.weigh(f"tests-{place}", self.pool)
        by_id = {candidate.id: candidate for candidate in self.pool}
        order = [name for name in weighed.order if name in weighed.sound] or list(weighed.order)
        self.pool = [by_id[name] for name in order if name in by_id][: layer.keep]
        for candidate in self.pool:
            if text := weighed.feedback.get(candidate.id):
                self.said.setdefault(candidate.id, []).append(text)

    def _add(self, candidates: Sequence[Candidate]) -> None:
        self.made += candidates
        known = {candidate.patch for candidate in self.pool}
        for candidate in candidates:
            if candidate.patch and candidate.patch not in known:
                known.add(candidate.patch)
                self.pool.append(candidate)

    async def _of_each(
        self, one: Callable[[Candidate, int], Awaitable[T]], layer: LayerSettings
    ) -> list[tuple[Candidate, list[T]]]:
        """Each candidate with what `layer.samples` askings about it came to, all asked side by side."""
        times = layer.samples or 1
        came = await together([one(c, i) for c in self.pool for i in range(1, times + 1)])
        return [(c, came[n * times : (n + 1) * times]) for n, c in enumerate(self.pool)]

    async def _system(self) -> Message:
        """What everything is asked after: the issue and the files, the same bytes as for the proposals."""
        files = shown_files(await self._means.context())
        return patch_opening(self._means.task, files, self._patches)[0]

    def _shown(self, candidates: Sequence[Candidate]) -> list[Shown]:
        words = [self.said.get(candidate.id, []) for candidate in candidates]
        settings = self._settings
        return shown([c.patch for c in candidates], words, settings.patch_chars, settings.words_chars)

    def _cut(self, candidate: Candidate) -> str:
        return cut_middle(candidate.patch, self._settings.patch_chars)


def _impossible(layers: Sequence[LayerSettings], i: int) -> str:
    """Why a layer cannot stand where it does, "" where it can."""
    layer, before, after = layers[i], layers[:i], layers[i + 1 :]
    kinds_before = [other.kind for other in before]
    if layer.kind != "generate" and i == 0:
        return "there is no candidate yet, so the first layer must generate"
    if layer.kind == "generate" and any(kind != "generate" for kind in kinds_before):
        return "generate comes before all other layers; candidates made from others are fused"
    if layer.kind == "critique" and not any(other.kind in ("rank", "fuse") for other in after):
        return "nobody reads what it says: put a rank or fuse layer after it"
    if layer.kind == "generate" and layer.samples is None and any(o.samples is None for o in before):
        return "only one layer may leave samples open"
    for name, kinds in _ONLY_IN.items():
        if layer.kind not in kinds and getattr(layer, name) != LayerSettings.model_fields[name].default:
            return f"{name} is only for {' and '.join(kinds)}"
    return ""
