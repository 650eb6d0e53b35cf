"""Rich, with foreign text fit to be shown wherever it comes in, and no markup: brackets in a name are brackets.

A `str` is one line, in a sentence as in a table's cell, title or rule: line feeds in it are written out, so that no
name can make a line of its own. What may have several lines is a `Text`. Nothing else in Winnow imports Rich's own
Console, Text, Syntax or Live (ruff sees to it). What reached the screen by another way is made visible at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

import rich.console
import rich.live
import rich.status
import rich.syntax
import rich.text
from rich.segment import Segment

from environments.shown_text import visible, visible_line

from . import shown_streams


class Console(rich.console.Console):
    """Rich's console. file: where to write, standard output or error by default."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None, **more: Any):
        super().__init__(stderr=stderr, file=file, **{**more, "markup": False, "emoji": False})

    @property
    def file(self) -> IO[str]:
        """The stream below ours, which would make Rich's own control sequences visible."""
        found: IO[str] = shown_streams.lowest(super().file)
        return found

    @file.setter
    def file(self, new: IO[str]) -> None:
        self._file = new

    def render_str(self, text: str, **more: Any) -> rich.text.Text:
        """Every string of whatever is printed comes here."""
        return super().render_str(visible_line(text), **{**more, "markup": False, "emoji": False})

    def status(self, status: str, **more: Any) -> Status:  # type: ignore[override]
        """A line that says what is being done while it is."""
        return Status(Text(visible_line(status)), console=self, **more)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        # Last, whatever made the segments: Rich's own control codes are in segments marked as such.
        return super()._render_buffer(
            part if part.control else Segment(visible(part.text), part.style) for part in buffer
        )


class Text(rich.text.Text):
    """Rich's text: of one line or several."""

    def __init__(self, text: str = "", *words: Any, **more: Any):
        super().__init__(visible(text), *words, **more)

    def append(self, text: rich.text.Text | str, style: Any = None) -> Text:
        super().append(visible(text) if isinstance(text, str) else text, style)
        return self


def indented(text: str) -> Text:
    """A text of which every line but the first is indented, so that none can pass for one of ours."""
    return Text(text.rstrip("\n").replace("\n", "\n    "))


class Syntax(rich.syntax.Syntax):
    """Rich's coloured source code."""

    def __init__(self, code: str, lexer: str, **more: Any):
        super().__init__(visible(code), lexer, **more)


class Status(rich.status.Status):
    """Rich's line with a spinner, which takes strings for markup. Printed text is treated as by `Live`."""

    def start(self) -> None:
        super().start()
        if self.console.is_terminal:
            shown_streams.install()

    def update(self, status: Any = None, **more: Any) -> None:
        super().update(Text(visible_line(status)) if isinstance(status, str) else status, **more)


class Live(rich.live.Live):
    """Rich's picture. What is printed meanwhile goes above it, and is made fit to be shown first."""

    def start(self, refresh: bool = False) -> None:
        super().start(refresh)
        if self.console.is_terminal:
            shown_streams.install()  # in front of those that Rich has just put there
