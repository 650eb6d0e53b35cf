"""Standard output and error as streams on which only text that is fit to be shown arrives, whoever prints it.

`print`, the command line's own messages, warnings and tracebacks all end here. Rich draws with control sequences of its
own, so `console.Console` makes its texts fit itself and writes to the stream below.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from environments.shown_text import visible, visible_line


class ShownStream:
    """A text stream in front of another, `below`, which gets everything that is written with `visible` done to it.

    It has no `buffer`: bytes written there would pass by.
    """

    def __init__(self, below: TextIO):
        self.below = below

    def write(self, text: str) -> int:
        """Raises TypeError for anything but text."""
        if not isinstance(text, str):
            raise TypeError(f"text is written here, not {type(text).__name__}")
        self.below.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach", "below"):
            raise AttributeError(name)
        return getattr(self.below, name)


def install() -> None:
    """From now on standard output and error are such streams. What their encoding lacks is written out too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ShownStream):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, ShownStream(stream))


def lowest(stream: Any) -> Any:
    """The stream below all of ours, and below those that Rich puts there while it draws a picture."""
    while True:
        if isinstance(stream, ShownStream):
            stream = stream.below
        elif (proxied := getattr(stream, "rich_proxied_file", None)) is not None:
            stream = proxied
        else:
            return stream


def say(line: str, *, err: bool = False) -> None:
    """Print one line, which foreign text cannot leave, and hold nothing back; on standard error with `err`."""
    print(visible_line(line), file=sys.stderr if err else sys.stdout, flush=True)


def say_error(text: str) -> None:
    """Print on standard error why a command failed. Further lines are indented: none can pass for one of ours."""
    print("winnow: " + visible(text).rstrip("\n").replace("\n", "\n  "), file=sys.stderr)
