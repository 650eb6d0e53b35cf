"""From a model's name to a client, and from a client to what a run asks."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from typing import Protocol

from .budget import Budget, Budgeted, require_price
from .choices import AllChoices
from .errors import Refused
from .gguf_file import is_gguf
from .limit_rule import LimitRule
from .limiter import Limit, Limited
from .prices import Price, known_price, provider_of, providers
from .protocol import Model
from .replay import ReplayModel
from .retry import PATIENCE, Retrying, Told
from .secrets import KNOWN
from .secrets.settings import hide
from .warm import Warming


class Client(Model, Protocol):
    """A model as `open_model` gives it."""

    price: Price | None

    async def close(self) -> None:
        """Close its connections; it answers no more."""
        ...


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that people run themselves: its usual address, and the variable with its key, if it wants one.

    start: calls in flight to begin with.
    """

    api_base: str
    key_variable: str
    start: int = 2


LOCAL = {
    "vllm": LocalServer("http://localhost:8000/v1", "VLLM_API_KEY", start=8),
    "ollama": LocalServer("http://localhost:11434/v1", "OLLAMA_API_KEY"),
    "llamacpp": LocalServer("http://localhost:8080/v1", "LLAMA_API_KEY"),
    "lmstudio": LocalServer("http://localhost:1234/v1", "LMSTUDIO_API_KEY"),
}

KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"),
    "fireworks_ai": ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY"),
    "xai": ("XAI_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "moonshot": ("MOONSHOT_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}
"""The variables that a provider's key is read from, the usual one first."""

_OPENAI_NAMES = re.compile(r"(gpt-|chatgpt-|codex-|o\d+(-|$))")


def open_model(
    name: str,
    *,
    api_base: str | None = None,
    api_key: str | None = None,
    price: Price | None = None,
    timeout: float | None = None,
    window: int | None = None,
    slots: int | None = None,
    threads: int | None = None,
) -> Client:
    """The plain client for a model's name, with the price that was given, is listed, or None.

    "openai/gpt-5", "gpt-5": OpenAI, or the compatible server at api_base. "vllm/NAME", "ollama/NAME",
    "llamacpp/NAME", "lmstudio/NAME": such a server, by default at its usual local address. "deterministic:FILE",
    "replay:FILE". "PATH/TO/MODEL.gguf": that file, served by a process of our own with `slots` windows of
    `window` tokens. "anthropic/NAME", "gemini/NAME" and every other provider: litellm. Any name at all with an api_base
    that belongs to no provider: the name as that server knows it. timeout: seconds for one reply.
    Raises Refused with what to do: unknown provider, missing key, unreadable file.
    """
    KNOWN.learn_environment()
    kind, _, rest = name.partition(":")
    if kind == "replay" and rest:
        return ReplayModel(rest)
    if kind == "deterministic" and rest:
        from .deterministic import DeterministicModel

        return DeterministicModel.load(rest, price=price)
    if is_gguf(name) and not api_base:
        from .local_model import SLOTS, LocalModel
        from .openai_client import TIMEOUT

        return LocalModel(
            name,
            window=window,
            slots=slots or SLOTS,
            threads=threads,
            price=price,
            timeout=timeout or TIMEOUT,
        )
    provider, _, model = name.partition("/")
    price = price or known_price(name)
    if provider in LOCAL and model:
        server = LOCAL[provider]
        key = api_key or os.environ.get(server.key_variable) or "none"
        return _openai(name, model, api_base or server.api_base, key, price, timeout, server.key_variable)
    if provider == "openai" and model:
        return _at_openai(name, model, api_base, api_key, price, timeout)
    if model and provider in providers():
        return _litellm(name, provider, api_base, api_key, price, timeout)
    if api_base or _OPENAI_NAMES.match(name):
        return _at_openai(name, name, api_base, api_key, price, timeout)
    if not model and (listed := provider_of(name)) in KEYS:
        return _litellm(f"{listed}/{name}", str(listed), api_base, api_key, price, timeout)
    raise Refused(_unknown(name, provider if model else ""))


def open_limit(name: str, most: int = 256) -> Limit:
    """The limit on calls in flight for the server of a model, to be shared by all that ask it.

    It starts low where people run the server themselves: those queue, and a queue that is there from the first call
    on is not noticed. A model that we serve ourselves takes as many as it has slots: `most`.
    """
    if is_gguf(name):
        return Limit(LimitRule(most, most))
    server = LOCAL.get(name.partition("/")[0])
    return Limit(LimitRule(server.start if server else 16, most))


def stack(
    client: Client,
    *,
    limit: Limit | None = None,
    patience: float = PATIENCE,
    budget: Budget | None = None,
    told: Told | None = None,
) -> Model:
    """`client` with all that a run wants around it.

    From the outside in: the first request of a shared prefix goes ahead (Warming), all choices (AllChoices), retries
    for `patience` seconds, which `told` hears of (Retrying), the budget (Budgeted), the limit on calls in flight
    (Limited). Give the same `limit` to every stack that asks the same server. A replay is left as it is.
    Raises Refused where money is limited and no price is known.
    """
    if isinstance(client, ReplayModel):
        return client
    require_price(client.name, client.price, budget)
    model: Model = Limited(client, limit or open_limit(client.name))
    if budget is not None:
        model = Budgeted(model, budget, client.price)
    return Warming(AllChoices(Retrying(model, patience, told=told)))


def _at_openai(
    name: str, model: str, api_base: str | None, key: str | None, price: Price | None, timeout: float | None
) -> Client:
    base = api_base or os.environ.get("OPENAI_BASE_URL") or None
    key = key or os.environ.get("OPENAI_API_KEY") or ("none" if base else None)
    if key is None:
        raise Refused(f"{name} needs a key: set OPENAI_API_KEY, or name your own server with --api-base URL.")
    return _openai(name, model, base, key, price, timeout, "OPENAI_API_KEY")


def _openai(
    name: str,
    model: str,
    base: str | None,
    key: str,
    price: Price | None,
    timeout: float | None,
    variable: str,
) -> Client:
    from .openai_client import TIMEOUT, OpenAIClient

    if base is not None and not re.match(r"https?://[^/\s]+", base):
        raise Refused(f'The address "{hide(base)}" is no URL: write it like http://localhost:8000/v1.')
    return OpenAIClient(
        name,
        model,
        api_base=base,
        api_key=key,
        price=price,
        timeout=timeout or TIMEOUT,
        key_variable=variable,
    )


def _litellm(
    name: str, provider: str, base: str | None, key: str | None, price: Price | None, timeout: float | None
) -> Client:
    from .litellm_client import LitellmClient
    from .openai_client import TIMEOUT

    variables = KEYS.get(provider, ())
    if variables and not key and not any(os.environ.get(variable) for variable in variables):
        raise Refused(f"{name} needs a key: set {variables[0]}.")
    variable = variables[0] if variables else ""
    return LitellmClient(
        name, api_base=base, api_key=key, price=price, timeout=timeout or TIMEOUT, key_variable=variable
    )


def _unknown(name: str, provider: str) -> str:
    if provider:
        near = difflib.get_close_matches(provider, [*LOCAL, *KEYS, *sorted(providers())], 1)
        hint = f'did you mean "{near[0]}/..."?' if near else "write PROVIDER/NAME, or give --api-base URL."
        return f'The provider "{provider}" of the model "{name}" is not known: {hint}'
    return (
        f'The model "{name}" is not known: write PROVIDER/NAME, such as openai/{name} or vllm/{name}, or '
        "deterministic:FILE."
    )
