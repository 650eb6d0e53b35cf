"""Why a call gave no reply, and whose fault it was.

`fault` is "world" (try again, later: never the attempt's result), "attempt" (a result) or "user" (wrong key, wrong
name: one sentence, and the run stops).
"""

from __future__ import annotations

from typing import Literal

Fault = Literal["world", "attempt", "user"]


class ModelError(Exception):
    """A call that ended without a usable reply. The message is one sentence that a user can act on.

    It is stored, printed and often has a server's words in it: no credential gets into it.
    """

    fault: Fault = "world"

    def __init__(self, message: str = ""):
        from .secrets import KNOWN

        super().__init__(KNOWN.clean(KNOWN.redact_reply(message)))


class RateLimited(ModelError):
    """429, or a provider's "overloaded". retry_after: seconds the server asked for, None where it did not say."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class ServerFault(ModelError):
    """5xx, a reply that is not one (no choices, null content, truncated JSON)."""


class Unreachable(ModelError):
    """No connection, a connection cut in the middle of a reply, or no answer in time."""


class TimedOut(Unreachable):
    """No answer in time: what a server that queues instead of refusing looks like when asked too much."""


class ContextOverflow(ModelError):
    """The conversation does not fit the model's window. Asking again would give the same."""

    fault: Fault = "attempt"


class BudgetSpent(ModelError):
    """The next call would go beyond the money, tokens or time allowed. limit: "money", "tokens" or "time"."""

    fault: Fault = "attempt"

    def __init__(self, message: str, limit: str = "money"):
        super().__init__(message)
        self.limit = limit


class Refused(ModelError):
    """The server will never answer this as asked: wrong key, unknown model, a request it calls malformed."""

    fault: Fault = "user"


class ReplayMismatch(ModelError):
    """The recording has no answer to this request: a message changed, or the step does not exist."""

    fault: Fault = "user"
