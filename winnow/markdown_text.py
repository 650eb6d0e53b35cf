"""Foreign text in a Markdown document: a name is a name, in a sentence and in a table's cell."""

from __future__ import annotations

from html import escape

from environments.shown_text import visible_line


def markdown_text(text: str) -> str:
    """Text that stays on its line, cannot end its cell, and is neither markup nor HTML."""
    plain = escape(visible_line(" ".join(text.split("\n"))), quote=False)
    return "".join(f"\\{c}" if c in "|\\`*_[]~#" else c for c in plain)
