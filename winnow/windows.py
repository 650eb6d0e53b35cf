"""Settings that follow from the model's context window, where nobody said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from models import context_window, fitting_window, is_gguf

from .configuration import Configuration, merged
from .configuration_sources import configured

PRESET_WINDOW = 128_000
"""Tokens that CodeMonkeys' settings are made for."""


def configured_for_window(
    options: Mapping[str, Any],
    window: int | None,
    *,
    preset: str | None,
    file: Path | None,
    words: Iterable[str],
) -> Configuration:
    """The configuration from all its sources (`configuration_sources.configured`), with the settings that follow from
    the model's window where nobody said otherwise. window: what the user says of it.
    """
    said = configured(options, preset=preset, file=file, words=words)
    if is_gguf(said.model.name) and not said.model.api_base:
        path = Path(said.model.name).expanduser().resolve()
        options, below = merged(options, {"model": {"name": str(path)}}), _file_settings(path, said, window)
    else:
        below = window_settings(said.model.name, window)
    return configured(options, preset=preset, file=file, words=words, below=below)


def window_settings(name: str, said: int | None) -> dict[str, dict[str, int]]:
    """Settings that keep every conversation inside the model's window: `said`, else what is known of `name`.

    A known window only makes the preset's smaller: a wider one is room that the method does not ask for.
    """
    window = said or min(context_window(name) or PRESET_WINDOW, PRESET_WINDOW)
    if window == PRESET_WINDOW:
        return {}
    room = min(32_000, window // 2)
    return {
        "context": {"context_window": window, "room": room},
        "attempt": {"context_window": window, "max_tokens": min(4_096, window // 4)},
        "patches": {"context_window": window, "max_tokens": min(4_096, window // 4)},
        "tools": {"context_window": window, "max_tokens": min(8_192, window // 4)},
        "selection": {"context_window": window, "max_tokens": min(8_192, window // 4)},
    }


def _file_settings(path: Path, said: Configuration, window: int | None) -> dict[str, Any]:
    """Settings for a gguf file that Winnow serves. Its window is decided as the run is made, by free memory.

    Tools are called in text, which a grammar can force. Raises models.Refused where the file cannot be read.
    """
    window = window or said.model.window or fitting_window(path, said.model.slots)
    text = {} if said.model.grammar == "never" else {"tools": {"calls": "text"}}
    return merged(window_settings(str(path), window), {"model": {"window": window}, **text})
