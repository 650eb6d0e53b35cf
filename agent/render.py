"""Rendering prompts: templates in files, strictly. Texts of issues and files are values, never templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from .normalising import cut_middle

HERE = Path(__file__).parent / "prompts"


def render(template: str, **values: Any) -> str:
    """The prompt `prompts/<template>.j2` with these values; a name without one is jinja2.UndefinedError."""
    return renderer(HERE)(template, **values)


@cache
def renderer(folder: Path) -> Callable[..., str]:
    """`render` for the templates of another folder, with the same strictness and filters.

    Filters: `fenced` puts a text between two equal lines of backticks, more of them than the text has
    anywhere in a row, so that no text can end its own frame.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fenced"] = fenced

    def rendered(template: str, **values: Any) -> str:
        return environment.get_template(f"{template}.j2").render(**values).strip() + "\n"

    return rendered


def fenced(text: str) -> str:
    """The text in a frame of backticks that nothing in it can end."""
    text = str(text)  # an undefined name raises here
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(4, longest + 1)
    return f"{fence}\n{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{fence}"


def shown_issue(issue: str, limit: int) -> str:
    """An issue as prompts show it: plain line ends, control characters visible, its middle cut at `limit`."""
    plain = issue.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", plain).strip()
    return cut_middle(plain, limit) or "(The issue has no text.)"


def shown_file(text: str) -> str:
    """A file as prompts show it: without its byte order mark, Windows line ends as plain ones."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
