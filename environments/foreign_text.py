"""Source, TOML, INI and JSON that others wrote, read with bounds: what nests or repeats may take all memory."""

from __future__ import annotations

import ast
import configparser
import json
import re
import tomllib
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST_SOURCE = 400_000
"""Characters of Python; a syntax tree takes up to 700 times as many bytes. Larger files are generated ones."""
LARGEST_SETTINGS = 300_000
"""Characters of a file of settings."""

# Python's own parser of INI looks for the end of a name from each blank on; nobody aligns values so far.
_LONG_BLANKS = re.compile(r"(?<=\S)[^\S\n]{50,}")


def parse_python(source: str | bytes) -> ast.Module | None:
    """The syntax tree; None for what is too large, nested too deeply, or no source of this Python's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in other people's strings
        return _read(ast.parse, source, LARGEST_SOURCE)


def parse_toml(text: str) -> dict[str, Any] | None:
    """What TOML says; None for what is too large, nested too deeply, or none."""
    return _read(tomllib.loads, text, LARGEST_SETTINGS)


def parse_json(text: str | bytes, largest: int = LARGEST_SETTINGS) -> Any:
    """What JSON says; None for what is too large, nested too deeply, or none."""
    return _read(json.loads, text, largest)


def parse_ini(text: str, *, allow_no_value: bool = False) -> configparser.RawConfigParser | None:
    """What an INI file says; None for what is too large or none."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=allow_no_value)
    if len(text) > LARGEST_SETTINGS:
        return None
    try:
        parser.read_string(_LONG_BLANKS.sub(" ", text))
    except (
        configparser.Error,
        ValueError,
        AttributeError,
    ):  # the last: a line that goes on below one without a value
        return None
    return parser


def _read(reader: Callable[[Any], T], text: str | bytes, largest: int) -> T | None:
    if len(text) > largest:
        return None
    try:
        return reader(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
