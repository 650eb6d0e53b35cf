"""What can be set about the making of attempts. Defaults are CodeMonkeys' figures where it gives one."""

from __future__ import annotations

from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

_STRICT = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


S = TypeVar("S", bound=BaseModel)


def at_temperature(settings: S, temperatures: tuple[float | None, ...], number: int) -> S:
    """The settings with the temperature of the sample with this number; as they are where none are named."""
    if not temperatures:
        return settings
    return settings.model_copy(update={"temperature": temperatures[(number - 1) % len(temperatures)]})


class ContextSettings(BaseModel):
    """How the files that an issue needs are chosen, once for all attempts."""

    model_config = _STRICT

    context_tokens: int = Field(default=128_000, ge=0)
    """Tokens of files that attempts are shown at most."""

    context_window: int = Field(default=128_000, ge=1_000)
    """The window of the model that edits, in tokens. The files leave `room` of it."""

    room: int = Field(default=32_000, ge=0)
    """Tokens of the window that are kept for the conversation about the files."""

    file_tokens: int = Field(default=100_000, ge=1)
    """A source file with more tokens is not asked about."""

    temperature: float | None = Field(default=0.0, ge=0)
    """Of relevance and ranking calls; None leaves it to the server."""

    relevance_output: int = Field(default=1_024, ge=64)
    """Output tokens of a relevance call."""

    rankings: int = Field(default=3, ge=1)
    """How often the ranking is asked for; the answers are merged."""

    ranking_output: int = Field(default=4_096, ge=64)
    """Output tokens of a ranking call."""

    issue_chars: int = Field(default=60_000, ge=100)
    """Characters of the issue that prompts show; a longer one is cut in the middle."""

    @property
    def limit(self) -> int:
        """Tokens of files that attempts are shown: at most `context_tokens`, and what the window leaves."""
        return max(0, min(self.context_tokens, self.context_window - self.room))


class AttemptSettings(BaseModel):
    """How one attempt is made."""

    model_config = _STRICT

    temperature: float | None = Field(default=0.5, ge=0)
    """Of every call of an attempt; None leaves it to the server."""

    temperatures: tuple[float | None, ...] = ()
    """Of attempt 1, 2 ... in turn, from the first again after the last, instead of one for all."""

    max_tokens: int | None = Field(default=4_096, ge=64)
    """Output tokens of a call; None leaves it to the server."""

    testing_calls: int = Field(default=8, ge=0)
    """Model calls of the testing machine at most; 0 leaves the attempt without a test of its own."""

    needs_test: bool = False
    """Whether an attempt is given up whose own test does not show the issue on the unfixed code. Other attempts' tests
    weigh its patch otherwise, so it is not hopeless."""

    editing_calls: int = Field(default=8, ge=1)
    """Model calls of the editing machine at most."""

    script_timeout: float = Field(default=100.0, gt=0)
    """Seconds that a test script gets for one run."""

    output_chars: int = Field(default=8_192, ge=200)
    """Characters of a run's output that the model is shown; more is cut in the middle."""

    diff_chars: int = Field(default=24_000, ge=200)
    """Characters of its own diff that the model is shown; more is cut in the middle."""

    issue_chars: int = Field(default=60_000, ge=100)
    """Characters of the issue that prompts show; a longer one is cut in the middle."""

    context_window: int = Field(default=128_000, ge=1_000)
    """Tokens of a conversation at most, the next reply included: the attempt stops before there are more."""

    def of_sample(self, number: int) -> Self:
        """The settings of the attempt with this number, from 1: `temperature` is its own."""
        return at_temperature(self, self.temperatures, number)


class ToolSettings(BaseModel):
    """How one attempt by tools is made. Steps and time limits are R2E-Gym's."""

    model_config = _STRICT

    use: tuple[Literal["bash", "editor", "search"], ...] = ("bash", "editor", "search")
    """What the agent works with; it always may submit."""

    calls: Literal["auto", "native", "text"] = "auto"
    """How tools are called. native: as the server knows it; text: one fenced block in each reply; auto: native, and
    text as soon as the server or the model turns out not to call tools."""

    steps: int = Field(default=40, ge=1)
    """Model calls at most."""

    temperature: float | None = Field(default=None, ge=0)
    """Of every call; None leaves it to the server."""

    temperatures: tuple[float | None, ...] = ()
    """Of attempt 1, 2 ... in turn, from the first again after the last, instead of one for all."""

    max_tokens: int | None = Field(default=8_192, ge=64)
    """Output tokens of a call; None leaves it to the server."""

    command_timeout: float = Field(default=90.0, gt=0)
    """Seconds for one command."""

    seconds: float | None = Field(default=1_200.0, gt=0)
    """Seconds that the model's calls and the commands of one attempt take together (waiting for a turn is not
    counted); None: no limit. The attempt ends after the step that goes beyond."""

    output_chars: int = Field(default=16_000, ge=200)
    """Characters of one observation at most; more is cut in the middle."""

    issue_chars: int = Field(default=60_000, ge=100)
    """Characters of the issue that the prompt shows; a longer one is cut in the middle."""

    context_window: int = Field(default=128_000, ge=1_000)
    """Tokens of the conversation at most, the next reply included. Before there are more, the longest old observations
    are cut."""

    keep_observations: int = Field(default=3, ge=1)
    """The last observations, which are cut only where nothing else makes room (the first and the very last never)."""

    unusable: int = Field(default=3, ge=1)
    """Replies in a row without a usable call that end the attempt."""

    repeats: int = Field(default=3, ge=2)
    """How often the same steps with the same outcome, or the same content of a file reached by edits, mean that the
    attempt is stuck: a warning first, the end when it happens again."""

    def of_sample(self, number: int) -> Self:
        """The settings of the attempt with this number, from 1: `temperature` is its own."""
        return at_temperature(self, self.temperatures, number)


class PatchSettings(BaseModel):
    """How a patch is asked for directly: one reply with edits, and nothing is run."""

    model_config = _STRICT

    temperatures: tuple[float | None, ...] = Field(default=(0.8,), min_length=1)
    """Of the samples in turn: the second sample has the second one, and after the last the first again; None leaves it
    to the server. Agentless: 0 for the first of ten, 0.8 for the others."""

    choices: int = Field(default=10, ge=1)
    """Samples at one temperature that are asked for in one request at most, where the server gives several choices. A
    request that fails is asked again as a whole."""

    calls: int = Field(default=3, ge=1)
    """Replies of one sample at most: the first, and repairs of one whose edits cannot be read or applied."""

    max_tokens: int | None = Field(default=4_096, ge=64)
    """Output tokens of one reply; None leaves it to the server."""

    issue_chars: int = Field(default=60_000, ge=100)
    """Characters of the issue that prompts show; a longer one is cut in the middle."""

    context_window: int = Field(default=128_000, ge=1_000)
    """Tokens of a conversation at most, the next reply included."""

    def temperature(self, number: int) -> float | None:
        """Of the sample with this number, from 1."""
        return self.temperatures[(number - 1) % len(self.temperatures)]

    def conversation(self, temperature: float | None) -> AttemptSettings:
        """The settings of a conversation at this temperature."""
        return AttemptSettings(
            temperature=temperature,
            max_tokens=self.max_tokens,
            issue_chars=self.issue_chars,
            context_window=self.context_window,
        )
