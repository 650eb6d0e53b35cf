"""All that a run is configured by: one pydantic model, filled from a preset and from what the user says over it.

A run keeps its configuration in the store, so that a resumed run goes on under the same one. Keys of providers, and
credentials in addresses, are never part of it. Where values come from, and which of them wins, is in
`configuration_sources`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from agent import AttemptSettings, ContextSettings, LocalisingSettings, PatchSettings, ToolSettings
from agent.ways.archon import ArchonSettings
from agent.ways.distil import DistilSettings
from agent.ways.evoscale import EvoscaleSettings
from agent.ways.first_finish import FirstFinishSettings
from agent.ways.mixture import MixtureSettings
from agent.ways.reasoner import ReasonerSettings
from agent.ways.refine import RefineSettings
from agent.ways.stopping import AutoSettings
from models.secrets.settings import hide_all
from selection import SelectionSettings

NONE: Final = object()
"""Stands for a None that was said, in what is merged over other values."""


class WrongConfiguration(Exception):
    """A preset, key or value that does not exist; the message is one sentence."""


def _number_or_auto(value: Any) -> Any:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number == "auto" or (isinstance(number, int) and number >= 1):
        return number
    raise PydanticCustomError("attempts", "a number from 1 on, or auto, is wanted")


Attempts = Annotated[int | Literal["auto"], BeforeValidator(_number_or_auto)]
"""How many attempts an issue gets; auto: as many as change the answer ([auto])."""
INDEPENDENT = ("codemonkeys", "tools", "samples")
"""Ways whose attempts know nothing of each other, so that there may be any number of them."""


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
    """As `--model` takes it: "gpt-5", "vllm/NAME", "anthropic/NAME", "PATH.gguf", "deterministic:FILE",
    "replay:FILE"."""
    context_name: str | None = None
    """A cheaper model for the context stage; None: the same."""
    api_base: str | None = None
    """The endpoint's URL, where it is not the provider's own; *** stands for its password or key."""
    price: str | None = None
    """USD per million tokens as "prompt,completion[,cached]", where no price is known."""
    concurrency: int = Field(64, ge=1)
    """Calls in flight at most; the limit adapts below it. CodeMonkeys had 256 in its relevance stage."""
    patience: float = Field(600.0, ge=0)
    """Seconds that a call is tried again for while the world fails."""
    window: int | None = Field(None, ge=1)
    """Of a gguf file that Winnow serves: tokens of each slot; None: what the model was trained for and memory holds."""
    slots: int = Field(2, ge=1)
    """Of a gguf file that Winnow serves: conversations that are answered at once; each has a window in memory."""
    threads: int | None = Field(None, ge=1)
    """Of a gguf file that Winnow serves: processors that compute; None: all. Where they are busy, fewer are faster."""
    grammar: Literal["auto", "always", "never"] = "auto"
    """Whether replies are kept to the form that can be read by a grammar (docs/local.md). auto: those of gguf files;
    always: of any model, whose server must be llama.cpp's, or take its grammars."""
    grammar_lines: int = Field(400, ge=1, le=1_000)
    """Lines that a grammar allows each part of a reply."""
    grammar_columns: int = Field(1_000, ge=8, le=1_500)
    """Characters that a grammar allows each line; prose has long ones."""


class SandboxSettings(BaseModel):
    """What one sandbox may use. Sizes in bytes."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["docker", "overlay"] = "overlay"
    """Decided when the run starts (`--sandbox auto` is resolved before)."""
    build_network: Literal["index", "host"] = "index"
    """What builds and set-ups reach: the user's package index and the hosts that recipes name, or all the host does."""
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
    way: Literal["codemonkeys", "tools", "samples", "evoscale", "agentless", "archon", "first-finish",
                 "refine", "distil", "reasoner"] = "codemonkeys"  # fmt: skip
    """How attempts are made (docs/presets.md): each by context, a test and edits; by an agent that calls tools; by one
    reply; or together, by a method that builds on what earlier ones came to."""
    attempts: Attempts = 10
    """Trajectories per issue, or auto. CodeMonkeys: 10."""
    auto: AutoSettings = Field(default_factory=AutoSettings)
    """How many there are where attempts is auto."""
    context: ContextSettings = Field(default_factory=ContextSettings)
    attempt: AttemptSettings = Field(default_factory=AttemptSettings)
    tools: ToolSettings = Field(default_factory=ToolSettings)
    """Of the agent that calls tools."""
    patches: PatchSettings = Field(default_factory=PatchSettings)
    """Of patches that are asked for directly: one reply, and nothing is run."""
    evoscale: EvoscaleSettings = Field(default_factory=EvoscaleSettings)
    """Of the way evoscale: generations and survivors."""
    agentless: LocalisingSettings = Field(default_factory=LocalisingSettings)
    """Of the way agentless: how places to be changed are found."""
    archon: ArchonSettings = Field(default_factory=ArchonSettings)
    """Of the way archon: its layers. `archon.file` names a file with other ones."""
    first_finish: FirstFinishSettings = Field(default_factory=FirstFinishSettings)
    """Of the way first-finish: when the others are stopped."""
    refine: RefineSettings = Field(default_factory=RefineSettings)
    """Of the way refine: when the verifier is content."""
    distil: DistilSettings = Field(default_factory=DistilSettings)
    """Of the way distil: its waves."""
    reasoner: ReasonerSettings = Field(default_factory=ReasonerSettings)
    """Of the way reasoner: how wide it searches."""
    mixture: MixtureSettings = Field(default_factory=MixtureSettings)
    """Several models, agents or temperatures, whose attempts are weighed together."""
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    weighing: SelectionSettings | None = None
    """How candidates are weighed in the middle of a way that goes on from the best of them; None: as in selection."""
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    data: DataSettings | None = None
    """Of a batch; None: `winnow solve` was given one issue."""
    forked_from: str | None = None
    """The run whose answers are used again where the same is asked (`winnow resume RUN --fork`)."""

    @property
    def most_attempts(self) -> int:
        """Attempts for an issue: so many, or at most so many."""
        return self.auto.most if self.attempts == "auto" else self.attempts

    @property
    def weighed_by(self) -> SelectionSettings:
        """How candidates are weighed in the middle. Only to see how many, or whose, are needed, nobody is asked to
        choose.
        """
        if self.weighing is None and (self.attempts == "auto" or self.mixture.by == "bandit"):
            return self.selection.model_copy(update={"machine": "off", "tournament": False, "extra_tests": 0})
        return self.weighing or self.selection

    @model_validator(mode="before")
    @classmethod
    def _without_credentials(cls, values: Any) -> Any:
        """Passwords and keys in addresses stay in this process's memory: what is here is stored, shown and exported."""
        return hide_all(values)

    @model_validator(mode="after")
    def _has_layers(self) -> Configuration:
        if self.way == "archon":
            try:
                self.archon.numbers(self.most_attempts)
            except ValueError as error:
                raise PydanticCustomError("layers", "archon: {why}", {"why": str(error)}) from None
        return self

    @model_validator(mode="after")
    def _may_be_auto(self) -> Configuration:
        if self.attempts == "auto" and self.way not in INDEPENDENT:
            raise PydanticCustomError(
                "attempts",
                "attempts cannot be auto where the way is {way}, whose attempts build on each other: say a number",
                {"way": self.way},
            )
        return self


def presets() -> dict[str, str]:
    """Name of each preset that ships with Winnow, and the first comment line of its file."""
    folder = resources.files("winnow") / "presets"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): f.read_text().splitlines()[0].lstrip("# ") for f in files}


def preset_file(name: str) -> str:
    """The text of a preset. Raises WrongConfiguration where there is none of this name."""
    if name not in presets():
        raise WrongConfiguration(f"there is no preset {name!r}; {nearest(name, list(presets()))}")
    return (resources.files("winnow") / "presets" / f"{name}.toml").read_text()


def configure(preset: str, overrides: Mapping[str, Any]) -> Configuration:
    """A preset with `overrides` (nested dicts, None: not said) on top. Raises WrongConfiguration."""
    return validated({**merged(tomllib.loads(preset_file(preset)), overrides), "preset": preset})


def validated(values: Mapping[str, Any]) -> Configuration:
    """The model of these values. Raises WrongConfiguration, naming the first wrong one and the nearest right key."""
    try:
        return Configuration.model_validate(_with_layers(_without_marks(values)))
    except ValidationError as error:
        raise WrongConfiguration(sentence_on(error)) from None


def _with_layers(values: dict[str, Any]) -> dict[str, Any]:
    """With the layers of the file that `archon.file` names in place of others. Raises WrongConfiguration."""
    said = values.get("archon")
    if not isinstance(said, dict) or not said.get("file"):
        return values
    path = Path(said["file"])
    layers = read_toml(path).get("layers")
    if not layers:
        raise WrongConfiguration(f"{path} has no layers: write each as a table [[layers]] with its kind")
    others = {key: value for key, value in said.items() if key != "file"}
    return {**values, "archon": {**others, "layers": layers}}


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as nested values. Raises WrongConfiguration."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongConfiguration(f"the configuration {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongConfiguration(f"the configuration {path} is no TOML: {error}") from None


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


def sentence_on(error: ValidationError, model: type[BaseModel] = Configuration) -> str:
    """The first thing wrong with values for `model`, in one sentence, an unknown key with the nearest known one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if not where:  # two settings that do not go together
        return first["msg"]
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; {nearest(str(first['loc'][-1]), _keys(model, first['loc'][:-1]))}"
    if first["type"] == "missing" and first["loc"][0] == "model":
        return "say who answers, e.g. --model gpt-5 or --model vllm/NAME (or model.name in a configuration)"
    if first["type"] == "missing":
        return f"{where}: say it, there is no default"
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}"
    return f"{where}: {first['msg'].lower()} (got {first['input']!r})"


def _keys(model: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    for part in place:
        if isinstance(part, str):  # a number is a place in a list
            model = next(_models(model.model_fields[part].annotation))
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings in a field's type, such as an optional one or a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
