"""All that a run is configured by: one pydantic model, filled from a preset, then from the command line.

A run keeps its configuration in the store, so that a resumed run goes on under the same one. Keys of providers are
never part of it.
"""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent import AttemptSettings, ContextSettings
from selection import SelectionSettings


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


class Configuration(BaseModel):
    """One run's whole configuration."""

    model_config = ConfigDict(extra="forbid")

    preset: str = "codemonkeys"
    """The preset that it was made from."""
    model: ModelSettings
    attempts: int = Field(10, ge=1)
    """Trajectories per issue. CodeMonkeys: 10."""
    context: ContextSettings = Field(default_factory=ContextSettings)
    attempt: AttemptSettings = Field(default_factory=AttemptSettings)
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)


def presets() -> dict[str, str]:
    """Name of each preset that ships with Winnow, and the first comment line of its file."""
    folder = resources.files("winnow") / "presets"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): f.read_text().splitlines()[0].lstrip("# ") for f in files}


def configure(preset: str, overrides: dict[str, Any]) -> Configuration:
    """A preset with `overrides` (nested dicts, None: not said) on top. Raises WrongConfiguration."""
    if preset not in presets():
        raise WrongConfiguration(f"there is no preset {preset!r}; {_nearest(preset, list(presets()))}")
    text = (resources.files("winnow") / "presets" / f"{preset}.toml").read_text()
    merged = _merge(tomllib.loads(text), overrides)
    try:
        return Configuration.model_validate({**merged, "preset": preset})
    except ValidationError as error:
        raise WrongConfiguration(_sentence(error)) from None


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict):
            merged[key] = _merge(merged.get(key, {}), value)
        elif value is not None:
            merged[key] = value
    return merged


def _sentence(error: ValidationError) -> str:
    """The first thing wrong, in one sentence, an unknown key with the nearest known one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; {_nearest(str(first['loc'][-1]), _keys(first['loc'][:-1]))}"
    return f"{where}: {first['msg'].lower()} (got {first['input']!r})"


def _keys(place: tuple[Any, ...]) -> list[str]:
    model: Any = Configuration
    for part in place:
        model = model.model_fields[part].annotation
    return list(model.model_fields)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
