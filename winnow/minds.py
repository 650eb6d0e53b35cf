"""The models of a run with everything around them: retries, the limit on calls in flight, the budget, a warm cache."""

from __future__ import annotations

from collections.abc import Callable

from models import Budget, Model, Spent, context_window, open_limit, open_model, parse_price, stack
from store import Totals

from .configuration import Configuration

PRESET_WINDOW = 128_000
"""Tokens that CodeMonkeys' settings are made for."""


def open_minds(
    configuration: Configuration,
    before: Totals | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[Model, Model]:
    """(the model, the model of the context stage), sharing one budget and one limit on calls in flight.

    before: what earlier sessions of the run spent. tell: hears of calls that are tried again. Raises models.Refused
    where a name or key is wrong, or where a money budget has no price to count with.
    """
    settings, limits = configuration.model, configuration.budget
    price = parse_price(settings.price) if settings.price else None
    spent = before and Spent(
        before.cost, before.prompt_tokens + before.completion_tokens, unpriced=before.unpriced
    )
    budget = Budget(limits.usd, limits.tokens, limits.seconds, spent=spent)
    limit = open_limit(settings.name, settings.concurrency)

    def opened(name: str) -> Model:
        client = open_model(name, api_base=settings.api_base, price=price)
        return stack(
            client,
            limit=limit,
            patience=settings.patience,
            budget=budget,
            told=tell and (lambda error, wait: tell(f"{error} Again in {wait:.0f} s.")),
        )

    model = opened(settings.name)
    return model, opened(settings.context_name) if settings.context_name else model


def window_settings(name: str, said: int | None) -> dict[str, dict[str, int]]:
    """Settings that keep every conversation inside the model's window: `said`, else what is known of `name`.

    A known window only makes the preset's smaller: a wider one is room that the method does not ask for.
    """
    window = said or min(context_window(name) or PRESET_WINDOW, PRESET_WINDOW)
    if window == PRESET_WINDOW:
        return {}
    room = min(32_000, window // 2)
    return {
        "context": {"context_window": window, "room": room},
        "attempt": {"context_window": window, "max_tokens": min(4_096, window // 4)},
        "selection": {"context_window": window, "max_tokens": min(8_192, window // 4)},
    }
