"""models: asking a language model.

Holds the clients, retries, limits, prices, budgets, the deterministic and the replay model. May import nothing of
ours. Hands on one protocol, `Model`, and what makes one: `open_model` gives the client for a name, `stack` puts
retries, the limit on calls in flight, the budget and cache warming around it. Names are loaded on first use: the door
costs nothing, openai comes with the first OpenAI-compatible client, litellm with the first call of another.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .budget import Budget, Budgeted, Spent, require_price
    from .choices import AllChoices
    from .choose import Client, open_limit, open_model, stack
    from .deterministic import DeterministicModel
    from .errors import (
        BudgetSpent,
        ContextOverflow,
        Fault,
        ModelError,
        RateLimited,
        Refused,
        ReplayMismatch,
        ServerFault,
        TimedOut,
        Unreachable,
    )
    from .forcing import forced
    from .gguf_file import is_gguf
    from .limit_rule import LimitRule
    from .limiter import Limit, Limited
    from .litellm_client import LitellmClient
    from .local_model import LocalModel, fitting_window
    from .openai_client import OpenAIClient
    from .prices import Price, context_window, cost, known_price, parse_price
    from .protocol import (
        Bounds,
        Choice,
        Message,
        Model,
        Reply,
        ReplyForm,
        Request,
        TokenLogprob,
        ToolCall,
        Usage,
    )
    from .quirks import left_out
    from .replay import ReplayModel, write_recording
    from .retry import Retrying
    from .tokens import estimate_request, estimate_tokens
    from .warm import Warming

_HOMES = {
    "budget": ("Budget", "Budgeted", "Spent", "require_price"),
    "choices": ("AllChoices",),
    "choose": ("Client", "open_limit", "open_model", "stack"),
    "deterministic": ("DeterministicModel",),
    "errors": (
        "BudgetSpent",
        "ContextOverflow",
        "Fault",
        "ModelError",
        "RateLimited",
        "Refused",
        "ReplayMismatch",
        "ServerFault",
        "TimedOut",
        "Unreachable",
    ),
    "forcing": ("forced",),
    "gguf_file": ("is_gguf",),
    "limit_rule": ("LimitRule",),
    "limiter": ("Limit", "Limited"),
    "litellm_client": ("LitellmClient",),
    "local_model": ("LocalModel", "fitting_window"),
    "openai_client": ("OpenAIClient",),
    "prices": ("Price", "context_window", "cost", "known_price", "parse_price"),
    "protocol": (
        "Bounds",
        "Choice",
        "Message",
        "Model",
        "Reply",
        "ReplyForm",
        "Request",
        "TokenLogprob",
        "ToolCall",
        "Usage",
    ),
    "quirks": ("left_out",),
    "replay": ("ReplayModel", "write_recording"),
    "retry": ("Retrying",),
    "tokens": ("estimate_request", "estimate_tokens"),
    "warm": ("Warming",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AllChoices",
    "Bounds",
    "Budget",
    "BudgetSpent",
    "Budgeted",
    "Choice",
    "Client",
    "ContextOverflow",
    "DeterministicModel",
    "Fault",
    "Limit",
    "LimitRule",
    "Limited",
    "LitellmClient",
    "LocalModel",
    "Message",
    "Model",
    "ModelError",
    "OpenAIClient",
    "Price",
    "RateLimited",
    "Refused",
    "ReplayMismatch",
    "ReplayModel",
    "Reply",
    "ReplyForm",
    "Request",
    "Retrying",
    "ServerFault",
    "Spent",
    "TimedOut",
    "TokenLogprob",
    "ToolCall",
    "Unreachable",
    "Usage",
    "Warming",
    "context_window",
    "cost",
    "estimate_request",
    "estimate_tokens",
    "fitting_window",
    "forced",
    "is_gguf",
    "known_price",
    "left_out",
    "open_limit",
    "open_model",
    "parse_price",
    "require_price",
    "stack",
    "write_recording",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
