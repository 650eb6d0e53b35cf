"""What is printed, without secrets: also the traceback of a bug, and what a library logs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from models.secrets import KNOWN


class _Hiding:
    """A stream of text that writes no known secret. The rest is the stream's own."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(KNOWN.redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def hide_on_streams() -> None:
    """Put it before standard output and standard error."""
    KNOWN.learn_environment()
    sys.stdout, sys.stderr = _Hiding(sys.stdout), _Hiding(sys.stderr)  # type: ignore[assignment]
