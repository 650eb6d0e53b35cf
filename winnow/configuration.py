"""All that a run is configured by: one pydantic model, filled from a preset and from what the user says over it.

A run keeps its configuration in the store, so that a resumed run goes on under the same one. Keys of providers are
never part of it. Where values come from, and which of them wins, is in `configuration_sources`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent import AttemptSettings, ContextSettings, ToolSettings
from selection import SelectionSettings

NONE: Final = object()
"""Stands for a None that was said, in what is merged over other values."""


class WrongConfiguration(Exception):
    """A preset, key or value that does not exist; the message is one sentence."""


class BudgetSettings(BaseModel):
    """What a run may spend; None: no limit."""

    model_config = ConfigDict(extra="forbid")

    usd: float | None = Field(None, gt=0)
    """Money in USD, judges and selection included."""
    tokens: int | None = Field(None, gt=0)
    """Prompt and completion tokens together."""
    seconds: float | None = Field(None, gt=0)
    """Wall time in seconds of one session of the run."""
    usd_per_issue: float | None = Field(None, gt=0)
    """Money in USD for one issue with all its attempts and its selection."""
    tokens_per_issue: int | None = Field(None, gt=0)
    """Prompt and completion tokens for one issue."""


class ModelSettings(BaseModel):
    """Which models answer, and how they are reached."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """As `--model` takes it: "gpt-5", "vllm/NAME", "anthropic/NAME", "deterministic:FILE", "replay:FILE"."""
    context_name: str | None = None
    """A cheaper model for the context stage; None: the same."""
    api_base: str | None = None
    """The endpoint's URL, where it is not the provider's own."""
    price: str | None = None
    """USD per million tokens as "prompt,completion[,cached]", where no price is known."""
    concurrency: int = Field(64, ge=1)
    """Calls in flight at most; the limit adapts below it. CodeMonkeys had 256 in its relevance stage."""
    patience: float = Field(600.0, ge=0)
    """Seconds that a call is tried again for while the world fails."""


class SandboxSettings(BaseModel):
    """What one sandbox may use. Sizes in bytes."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["docker", "overlay"] = "overlay"
    """Decided when the run starts (`--sandbox auto` is resolved before)."""
    memory: int | None = 4 * 2**30
    processes: int | None = 512
    cpus: float | None = None
    disk: int | None = 8 * 2**30


class LimitSettings(BaseModel):
    """How much of the machine a run takes at once, and how often it tries what the world failed."""

    model_config = ConfigDict(extra="forbid")

    issues: int = Field(16, ge=1)
    """Issues under way at most; only these have their journals and conversations in memory."""
    sandboxes: int | None = Field(None, ge=1)
    """Sandboxes alive at most; None: eight for each processor. One that is only copied from does not count."""
    executions: int | None = Field(None, ge=1)
    """Commands running in sandboxes at most; None: as many as there are processors."""
    builds: int = Field(2, ge=1)
    """Worlds built at once."""
    rounds: int = Field(3, ge=1)
    """Turns that an issue gets in one session of a batch while the world fails it (builds too)."""
    pause: float = Field(30.0, ge=0)
    """Seconds before the second turn; twice as many before each further one."""


class DataSettings(BaseModel):
    """Which issues a batch is about, and what their worlds are made from. Paths are absolute."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    """As the command named it."""
    digest: str
    """Of the selected rows (environments.datasets)."""
    selection: dict[str, Any] = Field(default_factory=dict)
    """--filter, --slice, --instances, --shuffle, --shard, as far as they were said."""
    repos: str | None = None
    """A folder of mirrors of the repositories."""
    recipe: str | None = None
    """Recipes written or mended by hand: a file or a folder."""
    rootfs: str | None = None
    """A root file system that worlds are built on."""


class Configuration(BaseModel):
    """One run's whole configuration."""

    model_config = ConfigDict(extra="forbid")

    preset: str = "codemonkeys"
    """The preset that it was made from."""
    model: ModelSettings
    way: Literal["codemonkeys", "tools"] = "codemonkeys"
    """How an attempt is made: by context, a test and edits; or by an agent that calls tools."""
    attempts: int = Field(10, ge=1)
    """Trajectories per issue. CodeMonkeys: 10."""
    context: ContextSettings = Field(default_factory=ContextSettings)
    attempt: AttemptSettings = Field(default_factory=AttemptSettings)
    tools: ToolSettings = Field(default_factory=ToolSettings)
    """Of the agent that calls tools."""
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    data: DataSettings | None = None
    """Of a batch; None: `winnow solve` was given one issue."""
    forked_from: str | None = None
    """The run whose answers are used again where the same is asked (`winnow resume RUN --fork`)."""


def presets() -> dict[str, str]:
    """Name of each preset that ships with Winnow, and the first comment line of its file."""
    folder = resources.files("winnow") / "presets"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): f.read_text().splitlines()[0].lstrip("# ") for f in files}


def configure(preset: str, overrides: Mapping[str, Any]) -> Configuration:
    """A preset with `overrides` (nested dicts, None: not said) on top. Raises WrongConfiguration."""
    if preset not in presets():
        raise WrongConfiguration(f"there is no preset {preset!r}; {nearest(preset, list(presets()))}")
    text = (resources.files("winnow") / "presets" / f"{preset}.toml").read_text()
    return validated({**merged(tomllib.loads(text), overrides), "preset": preset})


def validated(values: Mapping[str, Any]) -> Configuration:
    """The model of these values. Raises WrongConfiguration, naming the first wrong one and the nearest right key."""
    try:
        return Configuration.model_validate(_without_marks(values))
    except ValidationError as error:
        raise WrongConfiguration(_sentence(error)) from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `over` says on top, section by section; None in `over` says nothing (NONE says None)."""
    result = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            result[key] = value
    return result


def _without_marks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_marks(below) for key, below in value.items()}
    return None if value is NONE else value


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about a name that is not known."""
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"


def _sentence(error: ValidationError) -> str:
    """The first thing wrong, in one sentence, an unknown key with the nearest known one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; {nearest(str(first['loc'][-1]), _keys(first['loc'][:-1]))}"
    if first["type"] == "missing" and first["loc"][0] == "model":
        return "say who answers, e.g. --model gpt-5 or --model vllm/NAME (or model.name in a configuration)"
    if first["type"] == "missing":
        return f"{where}: say it, there is no default"
    return f"{where}: {first['msg'].lower()} (got {first['input']!r})"


def _keys(place: tuple[Any, ...]) -> list[str]:
    model: Any = Configuration
    for part in place:
        kinds = (model.model_fields[part].annotation, *get_args(model.model_fields[part].annotation))
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)
