"""Whose fault an error is."""

import asyncio
import errno

import pytest

from agent import Ending, KilledSandbox, Stopped, ending_of
from models import (
    BudgetSpent,
    ContextOverflow,
    RateLimited,
    Refused,
    ReplayMismatch,
    ServerFault,
    Unreachable,
)
from sandbox import CannotStart, DiskFull, SandboxDied


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (Stopped(Ending.STEP_LIMIT), Ending.STEP_LIMIT),
        (KilledSandbox("x"), Ending.KILLED_SANDBOX),
        (ContextOverflow("x"), Ending.CONTEXT_LIMIT),
        (BudgetSpent("x", "tokens"), Ending.COST_LIMIT),
        (RateLimited("x", 3.0), Ending.RATE_LIMIT),
        (ServerFault("x"), Ending.MODEL_DOWN),
        (Unreachable("x"), Ending.MODEL_DOWN),
        (DiskFull("x"), Ending.DISK_FULL),
        (OSError(errno.ENOSPC, "x"), Ending.DISK_FULL),
        (SandboxDied("x"), Ending.SANDBOX_DIED),
        (CannotStart("x"), Ending.SANDBOX_DIED),
        (asyncio.CancelledError(), Ending.INTERRUPTED),
        (KeyboardInterrupt(), Ending.INTERRUPTED),
        (Refused("wrong key"), None),
        (ReplayMismatch("x"), None),
        (OSError(errno.EPERM, "x"), None),
        (ValueError("x"), None),
    ],
)
def test_each_error_has_its_ending(error, ending):
    assert ending_of(error) is ending


def test_only_the_attempts_own_endings_are_results():
    assert not Ending.RATE_LIMIT.is_result and Ending.KILLED_SANDBOX.is_result
