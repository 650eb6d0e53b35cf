"""Which page of a long list a URL asks for."""

from __future__ import annotations

from collections.abc import Mapping


def page_asked(query: Mapping[str, str]) -> int:
    """The number that `page` says, 1 where that is no number of a page."""
    said = query.get("page", "")
    return max(1, int(said)) if said.isascii() and said.isdigit() and len(said) < 9 else 1
