"""The models of a run with everything around them: retries, the limit on calls in flight, the budget, a warm cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from models import Budget, Client, Model, Spent, context_window, open_limit, open_model, parse_price, stack
from store import Totals

from .configuration import Configuration
from .configuration_sources import configured

PRESET_WINDOW = 128_000
"""Tokens that CodeMonkeys' settings are made for."""


class Minds:
    """Who answers in a run: the clients and the limit on calls in flight are shared by all issues, and so is a budget.

    before: what earlier sessions of the run spent. tell: hears of calls that are tried again. Raises models.Refused
    where a name or key is wrong, or where a money budget has no price to count with.
    """

    def __init__(
        self,
        configuration: Configuration,
        before: Totals | None = None,
        tell: Callable[[str], None] | None = None,
    ):
        self._settings, self._limits = configuration.model, configuration.budget
        self._tell = tell
        self._budget = Budget(
            self._limits.usd, self._limits.tokens, self._limits.seconds, spent=before and _spent(before)
        )
        self._limit = open_limit(self._settings.name, self._settings.concurrency)
        price = parse_price(self._settings.price) if self._settings.price else None
        self._clients: dict[str, Client] = {}
        for name in (self._settings.name, self._settings.context_name or self._settings.name):
            if name not in self._clients:
                self._clients[name] = open_model(name, api_base=self._settings.api_base, price=price)
        self.of("an issue")  # a missing price is said before anything is started

    def of(self, issue: str, before: Totals | None = None) -> tuple[Model, Model]:
        """(the model, the model of the context stage) for one issue, whose own budget is part of the run's.

        before: what earlier sessions spent on this issue.
        """
        limits, budget = self._limits, self._budget
        if limits.usd_per_issue is not None or limits.tokens_per_issue is not None:
            budget = Budget(
                limits.usd_per_issue,
                limits.tokens_per_issue,
                what=issue,
                spent=before and _spent(before),
                parent=self._budget,
            )
        model = self._stacked(self._settings.name, budget)
        context = self._settings.context_name
        return model, self._stacked(context, budget) if context else model

    def nothing_left(self) -> str:
        """The sentence that says that the run's budget is spent, "" while it is not."""
        spent, limits = self._budget.spent, self._limits
        if limits.usd is not None and spent.usd >= limits.usd:
            return f"The budget of {limits.usd:g} USD for this run is spent."
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            return f"The budget of {limits.tokens} tokens for this run is spent."
        if limits.seconds is not None and spent.seconds >= limits.seconds:
            return f"The time for this run is up ({limits.seconds:g} s)."
        return ""

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def _stacked(self, name: str, budget: Budget) -> Model:
        tell = self._tell
        return stack(
            self._clients[name],
            limit=self._limit,
            patience=self._settings.patience,
            budget=budget,
            told=tell and (lambda error, wait: tell(f"{error} Again in {wait:.0f} s.")),
        )


def _spent(before: Totals) -> Spent:
    tokens = before.prompt_tokens + before.completion_tokens
    return Spent(before.cost, tokens, unpriced=before.unpriced)


def configured_for_window(
    options: Mapping[str, Any],
    context_window: int | None,
    *,
    preset: str | None,
    file: Path | None,
    words: Iterable[str],
) -> Configuration:
    """The configuration from all its sources (`configuration_sources.configured`), with the settings that follow from
    the model's window where nobody said otherwise. context_window: what the user says of it.
    """
    said = configured(options, preset=preset, file=file, words=words)
    windows = window_settings(said.model.name, context_window)
    return configured(options, preset=preset, file=file, words=words, below=windows)


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
        "tools": {"context_window": window, "max_tokens": min(8_192, window // 4)},
        "selection": {"context_window": window, "max_tokens": min(8_192, window // 4)},
    }
