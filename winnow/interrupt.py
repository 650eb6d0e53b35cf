"""Ctrl-C from a command's first moment on.

Python turns it into KeyboardInterrupt wherever the program is just then. In a callback of a library (the database, say)
such an exception is dropped, and Ctrl-C with it. So it is noted too, and answered where work begins.
"""

from __future__ import annotations

import signal

_noted = False


def listen() -> None:
    """From now on Ctrl-C is noted, beside what it does by default. Called in the main thread."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, _note)


def noted() -> bool:
    """Whether Ctrl-C has come."""
    return _noted


def _note(_number: int, _frame: object) -> None:
    global _noted
    _noted = True
    raise KeyboardInterrupt
