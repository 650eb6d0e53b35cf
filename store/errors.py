"""What can go wrong with a store, each as one sentence that a user can act on."""

from __future__ import annotations

from typing import Literal

from store.rows import Key


class StoreError(Exception):
    """The store cannot do what was asked; the message says what is wrong, where, and what to do."""


class NoSuchRun(StoreError):
    """No run, or more than one, has this id or begins with it."""


class RunBusy(StoreError):
    """Another process works on this run. host and pid say which."""

    def __init__(self, message: str, host: str, pid: int):
        super().__init__(message)
        self.host = host
        self.pid = pid


class StepChanged(StoreError):
    """A step's request is not the one the journal answered.

    label: the first part that differs ("message 2 (user)", "settings"); how: "changed", "added" or "missing",
    seen from the request that was asked now.
    """

    def __init__(self, key: Key, label: str, how: Literal["changed", "added", "missing"] = "changed"):
        was = {"changed": "differs from", "added": "is not in", "missing": "is missing, but is in"}[how]
        super().__init__(
            f"{label} of step {key} {was} what the journal answered: a prompt, a setting or the code that "
            f"makes them has changed since; go on with the version that began this run, or start a new run"
        )
        self.key = key
        self.label = label
        self.how = how


class StoreMoved(StoreError):
    """A store that was read without locks was written to meanwhile: what was read may not be one state of it."""
