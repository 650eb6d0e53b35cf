"""What a call costs, and how much a model can read: litellm's table of models, read as a file.

Importing litellm takes two seconds; its table is one JSON file of 3 MB, read on first use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import Refused
from .protocol import Usage

_TABLE = "model_prices_and_context_window_backup.json"
_PROVIDERS = "provider_endpoints_support_backup.json"
_LOCAL = ("vllm", "llamacpp", "lmstudio", "deterministic", "replay")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. cached: read from the provider's cache; written: put into it. None = as `prompt`.

    above: (prompt tokens, price) where a provider charges more for longer prompts.
    """

    prompt: float
    completion: float
    cached: float | None = None
    written: float | None = None
    above: tuple[int, Price] | None = None


def cost(price: Price | None, usage: Usage) -> float | None:
    """What a call with `usage` costs in USD; None where no price is known."""
    if price is None:
        return None
    if price.above and usage.prompt > price.above[0]:
        price = price.above[1]
    cached = price.prompt if price.cached is None else price.cached
    written = price.prompt if price.written is None else price.written
    plain = max(0, usage.prompt - usage.cached - usage.cache_written)
    prompt = plain * price.prompt + usage.cached * cached + usage.cache_written * written
    return (prompt + usage.completion * price.completion) / _MILLION


def parse_price(text: str) -> Price:
    """A price from `--price "in,out[,cached]"`, USD per million tokens. Raises Refused with the form wanted."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (2, 3) or any(not 0 <= value < float("inf") for value in values):
        raise Refused(
            f'The price "{text}" cannot be read: write "in,out" or "in,out,cached", in USD per million tokens, '
            'for example "2.5,10,1.25".'
        )
    return Price(*values)


def known_price(name: str) -> Price | None:
    """The listed price of a model, None where there is none (local servers, unknown names)."""
    entry = _entry(name)
    if entry is None or not _is_number(entry.get("input_cost_per_token")):
        return None
    free = not entry["input_cost_per_token"] and not entry.get("output_cost_per_token")
    if free and entry.get("litellm_provider") not in ("ollama", "ollama_chat"):
        return None  # The table's zeros are mostly prices that nobody filled in, or quotas: no ground for a budget.
    base = _price(entry, "")
    for edge in ("100k", "128k", "200k", "272k", "512k"):
        if _is_number(entry.get(f"input_cost_per_token_above_{edge}_tokens")):
            long = _price(entry, f"_above_{edge}_tokens", base)
            return Price(
                base.prompt, base.completion, base.cached, base.written, (int(edge[:-1]) * 1000, long)
            )
    return base


def context_window(name: str) -> int | None:
    """How many prompt tokens a model reads at most, as listed; None where it is not known."""
    entry = _entry(name) or {}
    window = entry.get("max_input_tokens") or entry.get("max_tokens")
    return int(window) if _is_number(window) else None


def provider_of(name: str) -> str | None:
    """The provider that the table lists for a name without one: "claude-sonnet-4-5" -> "anthropic"."""
    return (_table().get(name) or {}).get("litellm_provider")


@cache
def providers() -> frozenset[str]:
    """Every provider's name, as it stands before the slash."""
    listed = {str(entry.get("litellm_provider")) for entry in _table().values()}
    return frozenset(listed | set(_read(_PROVIDERS).get("providers", {})) - {"None"})


def _entry(name: str) -> dict[str, Any] | None:
    """The table's entry of "provider/model" or "model"."""
    provider, _, rest = name.partition("/")
    if provider in _LOCAL:
        return None
    if entry := _table().get(name):
        return entry
    entry = _table().get(rest) if rest else None
    listed = str((entry or {}).get("litellm_provider"))
    same = listed == provider or listed.startswith(provider + "_") or listed.startswith(provider + "-")
    return entry if same else None


def _price(entry: dict[str, Any], tier: str, base: Price | None = None) -> Price:
    """The entry's price, or that of a tier of longer prompts, which has the base's value where it names none."""

    def of(key: str, otherwise: float | None) -> float | None:
        value = entry.get(key + tier)
        return value * _MILLION if _is_number(value) else otherwise

    return Price(
        of("input_cost_per_token", 0.0) or 0.0,
        of("output_cost_per_token", base.completion if base else 0.0) or 0.0,
        of("cache_read_input_token_cost", base.cached if base else None),
        of("cache_creation_input_token_cost", base.written if base else None),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _table() -> dict[str, dict[str, Any]]:
    return _read(_TABLE)


def _read(file: str) -> dict[str, Any]:
    spec = find_spec("litellm")  # Finds the package without running it.
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).with_name(file)
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
