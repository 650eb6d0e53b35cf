"""What `winnow export` does: check the words, export, say what was written."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

from .export import FORMATS, Asked, export
from .export_errors import CannotExport
from .export_sft import Only
from .paths import open_users_store
from .shown_streams import say


def run_export(
    run: str,
    format: str,
    out: Path,
    *,
    candidate: str,
    only: str,
    name: str,
    logs: Path | None,
    strategy: str,
    least: float,
    steps: bool,
    store: str | None,
) -> None:
    """Export and print what was done. Raises CannotExport."""
    asked: Any = Asked(
        format=_one_of(format, FORMATS, "format"),  # type: ignore[arg-type]
        out=out,
        which=candidate,
        only=_one_of(only, get_args(Only), "value of --only"),  # type: ignore[arg-type]
        name=name,
        logs=logs,
        strategy=strategy,
        least=least,
        steps=steps,
    )

    def warn(sentence: str) -> None:
        say(f"warning: {sentence}", err=True)

    for sentence in export(open_users_store(store), run, asked, warn):
        say(sentence)


def _one_of(word: str, known: tuple[str, ...], what: str) -> str:
    if word in known:
        return word
    near = difflib.get_close_matches(word, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise CannotExport(f"there is no {what} {word!r}: {hint}")
