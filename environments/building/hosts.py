"""Names of hosts that a recipe may give a build."""

from __future__ import annotations

import re

_HOST = re.compile(r"(?!\d+(\.\d+){3}\Z)(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


def is_host(name: str) -> bool:
    """A whole name of the internet, in lower case: no address, no pattern, no port."""
    return bool(_HOST.fullmatch(name))
