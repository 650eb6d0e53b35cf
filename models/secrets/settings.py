"""Addresses whose credentials are in memory only: `hide` gives what may be stored, `reveal` what is used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from .known import KNOWN
from .urls import strip_address
from .words import HIDDEN

_IS_STRIPPED = re.compile(rf"://{re.escape(HIDDEN)}@|[?&;#][^=&;#\s]+={re.escape(HIDDEN)}")
_WHOLE: dict[str, str] = {}
"""By what is stored of it: the whole address (or shell line), as this process was given it."""


def hide(text: str) -> str:
    """`text` with *** for the credentials of its URLs, which this process knows from now on."""
    if not isinstance(text, str):
        return text
    stored = KNOWN.learn_address(text)
    if stored != text:
        _WHOLE[stored] = text
    return stored


def hide_all(values: Any) -> Any:
    """`hide` for every text with a URL in nested settings."""
    if isinstance(values, str):
        return hide(values) if "://" in values else values
    if isinstance(values, Mapping):
        return {key: hide_all(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(hide_all(value) for value in values)
    return values


def reveal(stored: str, how: str = "give it again with --api-base URL or -o model.api_base=URL") -> str:
    """What `hide` was given: in this process, or else in a variable of its environment.

    how: what the user can do where neither is so. Raises Refused.
    """
    if not _IS_STRIPPED.search(stored):
        return stored
    if stored in _WHOLE:
        return _WHOLE[stored]
    for value in os.environ.values():
        if value and strip_address(value) == stored:
            hide(value)
            return value
    raise Refused(f"{stored} is kept without its password or key: {how}.")
