"""Ctrl-C and its kin: they end a wait, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupts:
    """Raises KeyboardInterrupt where the bench waits. Anywhere else an interrupt is kept until the next wait: so none
    comes between the start of a process and the note of it, and none stops the removal of what a run made."""

    def __init__(self) -> None:
        self._pending = self._waiting = False

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait that may be interrupted."""
        self._waiting = True
        try:
            if self._pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def _receive(self, _number: int, _frame: object) -> None:
        self._pending = True
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt
