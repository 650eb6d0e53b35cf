"""The models of a run with everything around them: retries, the limit on calls in flight, the budget, a warm cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from agent.ways.mixture import MemberSettings
from models import Budget, Client, Limit, Model, Spent, is_gguf, open_limit, open_model, parse_price, stack
from store import Totals

from .configuration import Configuration
from .mixing import members_of


class Who(NamedTuple):
    """A model as it is reached: two that are the same share a client."""

    name: str
    api_base: str | None
    price: str | None

    @property
    def server(self) -> str:
        """What calls in flight are counted for: an address, or a provider."""
        return self.api_base or self.name.partition("/")[0]


class Minds:
    """Who answers in a run: the clients and the limits on calls in flight are shared by all issues, and so is a budget.

    before: what earlier sessions of the run spent. tell: hears of calls that are tried again. Raises models.Refused
    where a name or key is wrong, or where a money budget has no price to count with; WrongConfiguration where a member
    of a mixture cannot be.
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
        self._main = Who(self._settings.name, self._settings.api_base, self._settings.price)
        self._context = self._main._replace(name=self._settings.context_name or self._main.name)
        self._members = {member.name: self._who(member) for member in members_of(configuration)}
        self._calls: dict[str, Limit] = {}
        self._clients: dict[Who, Client] = {}
        for who in (self._main, self._context, *self._members.values()):
            if who not in self._clients:
                price = parse_price(who.price) if who.price else None
                self._clients[who] = open_model(
                    who.name,
                    api_base=who.api_base,
                    price=price,
                    window=self._settings.window,
                    slots=self._settings.slots,
                    threads=self._settings.threads,
                )
                self._calls.setdefault(who.server, open_limit(who.name, self._most(who.name)))
        self.of("an issue")  # a missing price is said before anything is started

    def of(self, issue: str, before: Totals | None = None) -> tuple[Model, Model, Mapping[str, Model]]:
        """(the model, the model of the context stage, those of a mixture's members) for one issue.

        The issue's own budget is part of the run's. before: what earlier sessions spent on this issue.
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
        models = {who: self._stacked(who, budget) for who in self._clients}
        members = {name: models[who] for name, who in self._members.items()}
        return models[self._main], models[self._context], members

    @property
    def decided(self) -> Mapping[str, Any]:
        """What the recordings that answer say of decisions, by place: a replay takes the same."""
        found: dict[str, Any] = {}
        for client in self._clients.values():
            found.update(getattr(client, "decisions", {}))
        return found

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

    def _most(self, name: str) -> int:
        """Calls in flight at most: what we serve ourselves takes as many as it has slots."""
        return self._settings.slots if is_gguf(name) else self._settings.concurrency

    def _who(self, member: MemberSettings) -> Who:
        """Who answers for a member. A recording of a whole run answers for all of them."""
        who = Who(member.model, member.api_base, member.price)
        same = who == Who(self._main.name, None, None)
        # A member with a model of its own has an address and a price of its own, too.
        return self._main if same or not member.model or self._main.name.startswith("replay:") else who

    def _stacked(self, who: Who, budget: Budget) -> Model:
        tell = self._tell
        return stack(
            self._clients[who],
            limit=self._calls[who.server],
            patience=self._settings.patience,
            budget=budget,
            told=tell and (lambda error, wait: tell(f"{error} Again in {wait:.0f} s.")),
        )


def _spent(before: Totals) -> Spent:
    tokens = before.prompt_tokens + before.completion_tokens
    return Spent(before.cost, tokens, unpriced=before.unpriced)
