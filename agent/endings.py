"""Why a trajectory stopped: exceptions that carry their ending, and the ending that an error means."""

from __future__ import annotations

import asyncio
import errno

from models import BudgetSpent, ContextOverflow, ModelError, RateLimited
from sandbox import DiskFull, SandboxError

from .candidate import Ending


class Stopped(Exception):
    """The trajectory ends here, and this is a result. Whoever catches it keeps what there is."""

    def __init__(self, ending: Ending, detail: str = ""):
        super().__init__(detail or ending.value)
        self.ending = ending
        self.detail = detail


class KilledSandbox(Exception):
    """A script ended its sandbox, and did so again in fresh ones: its own doing, not the world's."""


def ending_of(error: BaseException) -> Ending | None:
    """The ending that an error means; None where it means none (the user's fault, or a fault of Winnow)."""
    match error:
        case Stopped():
            return error.ending
        case KilledSandbox():
            return Ending.KILLED_SANDBOX
        case ContextOverflow():
            return Ending.CONTEXT_LIMIT
        case BudgetSpent():
            return Ending.COST_LIMIT
        case RateLimited():
            return Ending.RATE_LIMIT
        case ModelError(fault="world"):
            return Ending.MODEL_DOWN
        case DiskFull():
            return Ending.DISK_FULL
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return Ending.DISK_FULL
        case SandboxError():
            return Ending.SANDBOX_DIED
        case asyncio.CancelledError() | KeyboardInterrupt():
            return Ending.INTERRUPTED
    return None
