"""The live view's place on a terminal, the same for one issue and for many: a picture, and sentences above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar

from environments.shown_text import visible_line

from .console import Console, Live, Text, indented

PER_SECOND = 4
"""Times that the picture is drawn."""


class Screen:
    """Draws `picture()` again and again while it is open, where the console is a terminal; elsewhere there are only the
    sentences. quiet: neither. Use it as a context manager.
    """

    def __init__(self, console: Console, picture: Callable[[], RenderableType], quiet: bool):
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._picture = picture

    def __enter__(self) -> Screen:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(
                console=self._console,
                get_renderable=self._picture,
                refresh_per_second=PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def drawn(self) -> bool:
        """Whether there is a picture to be seen."""
        return self._live is not None

    def say(self, sentence: str) -> None:
        """Print a sentence above the picture."""
        if not self._quiet:
            self._console.print(
                indented(sentence.expandtabs(4)), style="dim", soft_wrap=not self._console.is_terminal
            )


def plain(text: str) -> str:
    """The text on one line, its lines and tabs as spaces: for the beginning of a text that has several lines."""
    return visible_line(" ".join(text.split("\n")).expandtabs(4))


def cell(text: str, style: str = "") -> Text:
    """A table's cell of one line that gives way to the numbers beside it: the column itself must not be no_wrap."""
    return Text(plain(text), style=style, no_wrap=True, overflow="ellipsis")


def bar(done: int, total: int, width: int = 60) -> RenderableType:
    """How much of it is done, on a line of its own (which a ProgressBar does not end)."""
    drawn = ProgressBar(
        total=max(1, total), completed=done, width=width, complete_style="cyan", finished_style="green"
    )
    return Padding(drawn, 0)
