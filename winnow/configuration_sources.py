"""Where configuration comes from besides a preset: a file, the environment, `-o key=value`, and options of commands.

Later ones win: the field's default, the preset, `--config FILE`, WINNOW_* variables, `-o`, the command's own options.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from .configuration import (
    NONE,
    Attempts,
    Configuration,
    WrongConfiguration,
    configure,
    merged,
    nearest,
    read_toml,
)

PREFIX = "WINNOW_"
NESTED = "__"
"""Between a section and its key: WINNOW_MODEL__CONCURRENCY is model.concurrency."""
DEFAULT_PRESET = "codemonkeys"

_OURS = ("data", "forked_from")
"""What the commands themselves say of a run; no file or variable may."""


def configured(
    options: Mapping[str, Any],
    *,
    preset: str | None = None,
    file: Path | None = None,
    words: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
    below: Mapping[str, Any] | None = None,
) -> Configuration:
    """The configuration from all its sources. options: nested, from the command's own options (None: not said).

    below: what holds instead of the preset where no source says anything. Raises WrongConfiguration.
    """
    said = overrides(file, words, os.environ if environ is None else environ)
    named = preset or said.pop("preset", None) or DEFAULT_PRESET
    said.pop("preset", None)
    return configure(named, merged(merged(below or {}, said), options))


def overrides(file: Path | None, words: Iterable[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """What file, environment and words say, the later over the former. Raises WrongConfiguration."""
    said: dict[str, Any] = read_toml(file) if file is not None else {}
    for more in (from_environment(environ), from_words(words)):
        said = merged(said, more)
    for key in _OURS:
        if key in said:
            raise WrongConfiguration(f"{key!r} is what the command says of the run: it cannot be set")
    return said


def from_words(words: Iterable[str]) -> dict[str, Any]:
    """["model.concurrency=8"] as nested values. Raises WrongConfiguration."""
    said: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        names = key.strip().split(".")
        if not equals or not all(names):
            raise WrongConfiguration(f"-o {word}: write it as key=value, such as -o attempt.temperature=0.8")
        said = _put(said, names, value.strip())
    return said


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """WINNOW_ATTEMPTS and WINNOW_MODEL__CONCURRENCY as nested values.

    Other variables with our prefix are no settings and left alone; one with a section that there is not is a mistake.
    """
    said: dict[str, Any] = {}
    plain = {key for key, field in Configuration.model_fields.items() if _is_plain(field.annotation)}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or not value:
            continue
        names = variable.removeprefix(PREFIX).lower().split(NESTED)
        if len(names) > 1 and names[0] not in Configuration.model_fields:
            known = [key for key in Configuration.model_fields if key not in _OURS]
            raise WrongConfiguration(f"the variable {variable} names no section; {nearest(names[0], known)}")
        if len(names) > 1 or names[0] in plain:
            said = _put(said, names, value)
    return said


def _is_plain(kind: Any) -> bool:
    """Whether a setting is a word or a number: no section, no table."""
    return kind in (int, str, get_args(Attempts)[0])


def _put(said: dict[str, Any], names: list[str], value: str) -> dict[str, Any]:
    """Text is left to the model to type; lists and tables are JSON, "none" is None."""
    read: Any = value
    if value.lower() == "none":
        read = NONE
    elif value[:1] in ("[", "{"):
        try:
            read = json.loads(value)
        except ValueError as error:
            raise WrongConfiguration(f"{'.'.join(names)}: {value!r} is no JSON: {error}") from None
    for name in reversed(names):
        read = {name: read}
    return merged(said, read)


def changed_keys(before: Configuration, after: Configuration) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> (before, after) of all that differs."""
    return dict(_differences(before.model_dump(mode="json"), after.model_dump(mode="json"), ""))


def _differences(before: Any, after: Any, place: str) -> Iterable[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            yield from _differences(before.get(key), after.get(key), f"{place}.{key}" if place else key)
    elif before != after:
        yield place, (before, after)
